package kinesis

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

// fake is a broker whose streams never change: it notes how it was called, and answers as
// if it had done it. The stream "orders" was split once; "coming" is CREATING; there is no
// "missing".
type fake struct {
	t     *testing.T
	calls []string
	err   error // of every call that changes something
	shut  bool  // no call may arrive
}

const (
	createdMs  = 1_762_300_800_250
	arrivedMs  = 1_762_300_900_125
	createdSec = createdMs / 1000
)

func (f *fake) note(format string, args ...any) {
	if f.shut {
		f.t.Errorf("the broker was called: "+format, args...)
	}
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fake) find(name string) (broker.StreamInfo, error) {
	info := broker.StreamInfo{
		ID: 7, Name: name, ARN: f.StreamARN(name), Status: broker.StatusActive, Mode: broker.ModeProvisioned,
		CreatedMs: createdMs, RetentionHours: 24, OpenShards: 2, MaxRecordBytes: stream.DefaultMaxRecordBytes,
	}
	switch name {
	case "missing":
		return info, stream.Errorf(stream.CodeNotFound, "Stream %s under account 000000000000 not found.", name)
	case "coming":
		info.Status = broker.StatusCreating
	}
	return info, nil
}

func (f *fake) change(name string) error {
	if _, err := f.find(name); err != nil {
		return err
	}
	return f.err
}

func (f *fake) CreateStream(_ context.Context, name string, shards, retentionHours int) error {
	f.note("CreateStream(%s, %d shards, %d h)", name, shards, retentionHours)
	return f.err
}

func (f *fake) DeleteStream(_ context.Context, name string, enforce bool) error {
	f.note("DeleteStream(%s, %v)", name, enforce)
	return f.change(name)
}

func (f *fake) DescribeStream(_ context.Context, name string) (broker.StreamInfo, error) {
	f.note("DescribeStream(%s)", name)
	return f.find(name)
}

func (f *fake) DescribeStreamSummary(_ context.Context, name string) (broker.StreamInfo, error) {
	f.note("DescribeStreamSummary(%s)", name)
	return f.find(name)
}

func (f *fake) Lookup(name string) (broker.StreamInfo, error) { return f.find(name) }

func (f *fake) ListStreams(_ context.Context, after string, limit int) (infos []broker.StreamInfo, more bool, err error) {
	f.note("ListStreams(after %q, %d)", after, limit)
	for _, name := range []string{"alerts", "coming", "orders"} {
		if name <= after {
			continue
		}
		if len(infos) == limit {
			return infos, true, nil
		}
		info, _ := f.find(name)
		infos = append(infos, info)
	}
	return infos, false, nil
}

func shards() []broker.ShardInfo {
	all := stream.EvenRanges(1)[0]
	lower, upper, _ := all.Split(stream.HashKey{Hi: 1 << 63})
	one := func(i uint32, r stream.HashRange, parent int64) broker.ShardInfo {
		created := int64(createdSec) + int64(i)
		return broker.ShardInfo{
			ID: stream.ShardID{Stream: 7, Index: i}, Range: r, Parent: parent, AdjacentParent: -1,
			Start: stream.StartingSequence(created, i),
		}
	}
	closed := one(0, all, -1)
	closed.Closed, closed.End = true, stream.EndingSequence(createdSec, createdSec+1, 0)
	merged := one(3, all, 1)
	merged.AdjacentParent = 2
	return []broker.ShardInfo{closed, one(1, lower, 0), one(2, upper, 0), merged}
}

func (f *fake) ListShards(_ context.Context, name string, filter broker.ShardFilter, after int64, limit int) (out []broker.ShardInfo, more bool, err error) {
	f.note("ListShards(%s, %+v, after %d, %d)", name, filter, after, limit)
	if _, err := f.find(name); err != nil {
		return nil, false, err
	}
	for _, sh := range shards() {
		if int64(sh.ID.Index) <= after {
			continue
		}
		if len(out) == limit {
			return out, true, nil
		}
		out = append(out, sh)
	}
	return out, false, nil
}

func (f *fake) SplitShard(_ context.Context, name, shard string, at stream.HashKey) error {
	f.note("SplitShard(%s, %s, %s)", name, shard, at)
	if err := f.change(name); err != nil {
		return err
	}
	if at == stream.MaxHashKey {
		return stream.Errorf(stream.CodeInvalidArgument, "NewStartingHashKey %s used in SplitShard() on shard %s is bad.", at, shard)
	}
	return nil
}

func (f *fake) MergeShards(_ context.Context, name, shard, adjacent string) error {
	f.note("MergeShards(%s, %s, %s)", name, shard, adjacent)
	return f.change(name)
}

func (f *fake) UpdateShardCount(_ context.Context, name string, target int) (int, error) {
	f.note("UpdateShardCount(%s, %d)", name, target)
	return 2, f.change(name)
}

func (f *fake) SetRetention(_ context.Context, name string, hours int, dir broker.RetentionChange) error {
	f.note("SetRetention(%s, %d h, %d)", name, hours, dir)
	return f.change(name)
}

func (f *fake) Put(_ context.Context, name string, records []broker.PutRecord) ([]broker.PutResult, error) {
	var results []broker.PutResult
	for i, r := range records {
		hash := "-"
		if r.ExplicitHashKey != nil {
			hash = r.ExplicitHashKey.String()
		}
		if len(r.Data) > 100 {
			f.note("Put(%s, %d bytes)", name, len(r.Data))
		} else {
			f.note("Put(%s, %q, %s, %q)", name, r.PartitionKey, hash, r.Data)
		}
		res := broker.PutResult{Shard: 1, Sequence: stream.Sequence{
			CreatedSec: createdSec, Position: stream.Position(i + 1), ArrivedSec: arrivedMs / 1000, Shard: 1,
		}}
		switch string(r.Data) {
		case "throttled":
			res = broker.PutResult{Err: stream.Errorf(stream.CodeThroughputExceeded, "Rate exceeded for shard shardId-000000000001 in stream %s under account 000000000000.", name)}
		case "lost":
			res = broker.PutResult{Err: stream.Errorf(stream.CodeUnknownOutcome, "secret")}
		}
		results = append(results, res)
	}
	return results, f.change(name)
}

func (f *fake) Iterator(_ context.Context, name, shard string, from broker.From) (string, error) {
	f.note("Iterator(%s, %s, %+v)", name, shard, from)
	if _, err := f.find(name); err != nil {
		return "", err
	}
	return "token-" + from.Kind.String(), nil
}

func (f *fake) ReadUpTo(_ context.Context, token string, limit, maxBytes int) (broker.ReadResult, error) {
	if maxBytes != stream.MaxReadBytes {
		f.note("not enough memory")
	}
	f.note("Read(%s, %d)", token, limit)
	res := broker.ReadResult{StreamName: "orders", Shard: shards()[0], NextToken: "next", MillisBehind: 25}
	switch token {
	case "expired":
		return res, stream.Errorf(stream.CodeExpiredIterator, "Iterator expired.")
	case "end":
		res.NextToken, res.MillisBehind = "", 0
		for _, sh := range shards()[1:3] {
			res.Children = append(res.Children, broker.ChildShard{ID: sh.ID, Parents: []uint32{0}, Range: sh.Range})
		}
		return res, nil
	}
	encoded := stream.AppendBlock(nil, stream.BlockHeader{First: 41, ArrivedMs: arrivedMs}, []stream.Record{
		{PartitionKey: "skipped", Data: []byte("x")}, {PartitionKey: "k\"1", Data: []byte("hello")}, {Data: []byte{0xff}}, {PartitionKey: "beyond"},
	})
	block, err := stream.ParseBlock(encoded)
	res.Blocks = []broker.ReadBlock{{Block: block, First: 42, Last: 43}}
	return res, err
}

func (f *fake) SealPage(kind string, payload []byte) string {
	return kind + "." + hex.EncodeToString(payload)
}

func (f *fake) OpenPage(kind, token string) ([]byte, error) {
	if token == "expired" {
		return nil, stream.Errorf(stream.CodeExpiredToken, "NextToken has expired.")
	}
	payload, ok := strings.CutPrefix(token, kind+".")
	if !ok {
		return nil, stream.Errorf(stream.CodeInvalidArgument, "NextToken is invalid.")
	}
	return hex.DecodeString(payload)
}

func (f *fake) StreamARN(name string) string {
	return "arn:aws:kinesis:us-east-1:000000000000:stream/" + name
}
