package grpcapi

import (
	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

var statuses = map[broker.Status]runnelv1.StreamStatus{
	broker.StatusCreating: runnelv1.StreamStatus_STREAM_STATUS_CREATING,
	broker.StatusActive:   runnelv1.StreamStatus_STREAM_STATUS_ACTIVE,
	broker.StatusUpdating: runnelv1.StreamStatus_STREAM_STATUS_UPDATING,
	broker.StatusDeleting: runnelv1.StreamStatus_STREAM_STATUS_DELETING,
}

var filterKinds = map[runnelv1.ShardFilter_Kind]broker.FilterKind{
	runnelv1.ShardFilter_KIND_AFTER_SHARD_ID:    broker.FilterAfterShard,
	runnelv1.ShardFilter_KIND_AT_TRIM_HORIZON:   broker.FilterAtTrimHorizon,
	runnelv1.ShardFilter_KIND_FROM_TRIM_HORIZON: broker.FilterFromTrimHorizon,
	runnelv1.ShardFilter_KIND_AT_LATEST:         broker.FilterAtLatest,
	runnelv1.ShardFilter_KIND_AT_TIMESTAMP:      broker.FilterAtTimestamp,
	runnelv1.ShardFilter_KIND_FROM_TIMESTAMP:    broker.FilterFromTimestamp,
}

var fromKinds = map[runnelv1.From_Kind]broker.FromKind{
	runnelv1.From_KIND_AT_SEQUENCE:    broker.AtSequence,
	runnelv1.From_KIND_AFTER_SEQUENCE: broker.AfterSequence,
	runnelv1.From_KIND_TRIM_HORIZON:   broker.TrimHorizon,
	runnelv1.From_KIND_LATEST:         broker.Latest,
	runnelv1.From_KIND_AT_TIMESTAMP:   broker.AtTimestamp,
	runnelv1.From_KIND_AT_POSITION:    broker.AtPosition,
}

func shardFilter(m *runnelv1.ShardFilter) (broker.ShardFilter, error) {
	if m == nil {
		return broker.ShardFilter{}, nil
	}
	kind, known := filterKinds[m.GetKind()]
	if !known {
		return broker.ShardFilter{}, stream.Errorf(stream.CodeValidation, "shard filter of kind %d is unknown", m.GetKind())
	}
	f := broker.ShardFilter{Kind: kind, ShardID: m.GetShard(), TimestampMs: m.GetTimestampMs()}
	var err error
	switch kind {
	case broker.FilterAfterShard:
		err = checkShard(f.ShardID)
	case broker.FilterAtTimestamp, broker.FilterFromTimestamp:
		err = checkTime(f.TimestampMs)
	}
	return f, err
}

func from(m *runnelv1.From) (broker.From, error) {
	kind, known := fromKinds[m.GetKind()]
	if !known {
		return broker.From{}, stream.Errorf(stream.CodeValidation, "place of kind %d is unknown", m.GetKind())
	}
	f := broker.From{Kind: kind}
	var err error
	switch kind {
	case broker.AtSequence, broker.AfterSequence:
		f.Sequence, err = m.GetSequence(), checkText("sequence number", m.GetSequence(), maxSequence)
	case broker.AtTimestamp:
		f.TimestampMs, err = m.GetTimestampMs(), checkTime(m.GetTimestampMs())
	case broker.AtPosition:
		f.Position = stream.Position(m.GetPosition())
		if f.Position > stream.MaxPosition {
			err = stream.Errorf(stream.CodeValidation, "position %d is too large", f.Position)
		}
	}
	return f, err
}

func checkTime(ms int64) error {
	if ms < 0 || ms > maxTimeMs {
		return stream.Errorf(stream.CodeValidation, "timestamp %d ms is not between 1970 and 9999", ms)
	}
	return nil
}

const maxTimeMs = 253402300799999

func hashKey(m *runnelv1.HashKey) stream.HashKey {
	return stream.HashKey{Hi: m.GetHi(), Lo: m.GetLo()}
}

func hashMessage(k stream.HashKey) *runnelv1.HashKey { return &runnelv1.HashKey{Hi: k.Hi, Lo: k.Lo} }

func sequenceMessage(s stream.Sequence) *runnelv1.Sequence {
	return &runnelv1.Sequence{CreatedSec: s.CreatedSec, Position: uint64(s.Position), ArrivedSec: s.ArrivedSec, Shard: s.Shard}
}

func streamMessage(i broker.StreamInfo) *runnelv1.Stream {
	return &runnelv1.Stream{
		Id: uint64(i.ID), Name: i.Name, Arn: i.ARN, Status: statuses[i.Status], CreatedMs: i.CreatedMs,
		RetentionHours: clamp(i.RetentionHours), OpenShards: clamp(i.OpenShards), Mode: i.Mode,
		MaxRecordBytes: clamp(i.MaxRecordBytes),
	}
}

func shardMessage(s *broker.ShardInfo) *runnelv1.Shard {
	m := &runnelv1.Shard{
		Id: s.ID.Name(), Index: s.ID.Index, StartHash: hashMessage(s.Range.Start), EndHash: hashMessage(s.Range.End),
		Start: sequenceMessage(s.Start), Closed: s.Closed, OpenedMs: s.OpenedMs, ClosedMs: s.ClosedMs,
		Parent: shardName(s.Parent), AdjacentParent: shardName(s.AdjacentParent),
	}
	if s.Closed {
		m.End = sequenceMessage(s.End)
	}
	return m
}

// shardName is nil for -1, which says that there is none.
func shardName(index int64) *string {
	if index < 0 {
		return nil
	}
	name := stream.ShardName(uint32(index))
	return &name
}

func childMessages(children []broker.ChildShard) []*runnelv1.ChildShard {
	out := make([]*runnelv1.ChildShard, 0, len(children))
	for _, c := range children {
		m := &runnelv1.ChildShard{Id: c.ID.Name(), StartHash: hashMessage(c.Range.Start), EndHash: hashMessage(c.Range.End)}
		for _, p := range c.Parents {
			m.Parents = append(m.Parents, stream.ShardName(p))
		}
		out = append(out, m)
	}
	return out
}

func blockMessage(b *broker.ReadBlock) *runnelv1.Block {
	return &runnelv1.Block{Encoded: b.Block.Encoded(), First: uint64(b.First), Last: uint64(b.Last)}
}
