package client

import (
	"math"
	"time"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

var statuses = map[runnelv1.StreamStatus]Status{
	runnelv1.StreamStatus_STREAM_STATUS_CREATING: StatusCreating,
	runnelv1.StreamStatus_STREAM_STATUS_ACTIVE:   StatusActive,
	runnelv1.StreamStatus_STREAM_STATUS_UPDATING: StatusUpdating,
	runnelv1.StreamStatus_STREAM_STATUS_DELETING: StatusDeleting,
}

var filters = map[FilterKind]runnelv1.ShardFilter_Kind{
	FilterAfterShard:      runnelv1.ShardFilter_KIND_AFTER_SHARD_ID,
	FilterAtTrimHorizon:   runnelv1.ShardFilter_KIND_AT_TRIM_HORIZON,
	FilterFromTrimHorizon: runnelv1.ShardFilter_KIND_FROM_TRIM_HORIZON,
	FilterAtLatest:        runnelv1.ShardFilter_KIND_AT_LATEST,
	FilterAtTimestamp:     runnelv1.ShardFilter_KIND_AT_TIMESTAMP,
	FilterFromTimestamp:   runnelv1.ShardFilter_KIND_FROM_TIMESTAMP,
}

// count lets the server see and refuse numbers that make no sense: a negative
// one arrives as the greatest.
func count(n int) uint32 {
	if n < 0 || n > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(n)
}

func streamInfo(m *runnelv1.Stream) StreamInfo {
	return StreamInfo{
		ID: stream.StreamID(m.GetId()), Name: m.GetName(), ARN: m.GetArn(), Status: statuses[m.GetStatus()],
		Mode: m.GetMode(), Created: timeOf(m.GetCreatedMs()), RetentionHours: int(m.GetRetentionHours()),
		OpenShards: int(m.GetOpenShards()), MaxRecordBytes: int(m.GetMaxRecordBytes()),
	}
}

func shardInfo(m *runnelv1.Shard) ShardInfo {
	return ShardInfo{
		ID: m.GetId(), Index: m.GetIndex(), Range: hashRange(m.GetStartHash(), m.GetEndHash()),
		Start: sequence(m.GetStart()), End: sequence(m.GetEnd()), Closed: m.GetClosed(),
		Parent: m.GetParent(), AdjacentParent: m.GetAdjacentParent(),
		Opened: timeOf(m.GetOpenedMs()), ClosedAt: timeOf(m.GetClosedMs()),
	}
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func sequence(m *runnelv1.Sequence) stream.Sequence {
	return stream.Sequence{
		CreatedSec: m.GetCreatedSec(), Position: stream.Position(m.GetPosition()),
		ArrivedSec: m.GetArrivedSec(), Shard: m.GetShard(),
	}
}

func hashRange(start, end *runnelv1.HashKey) stream.HashRange {
	return stream.HashRange{
		Start: stream.HashKey{Hi: start.GetHi(), Lo: start.GetLo()},
		End:   stream.HashKey{Hi: end.GetHi(), Lo: end.GetLo()},
	}
}

func hashMessage(k stream.HashKey) *runnelv1.HashKey { return &runnelv1.HashKey{Hi: k.Hi, Lo: k.Lo} }

func filterMessage(f ShardFilter) *runnelv1.ShardFilter {
	if f.Kind == FilterNone {
		return nil
	}
	m := &runnelv1.ShardFilter{Kind: filters[f.Kind], Shard: f.Shard}
	if !f.Time.IsZero() {
		m.TimestampMs = f.Time.UnixMilli()
	}
	return m
}

func children(ms []*runnelv1.ChildShard) []Child {
	out := make([]Child, 0, len(ms))
	for _, m := range ms {
		out = append(out, Child{ID: m.GetId(), Parents: m.GetParents(), Range: hashRange(m.GetStartHash(), m.GetEndHash())})
	}
	return out
}
