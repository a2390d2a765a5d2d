package grpcapi_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/internal/testcluster"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// asker makes unary calls with bare messages.
type asker struct {
	streams runnelv1.StreamServiceClient
	records runnelv1.RecordServiceClient
}

func newAsker(t *testing.T, n *testcluster.Node) asker {
	conn := dial(t, n)
	return asker{runnelv1.NewStreamServiceClient(conn), runnelv1.NewRecordServiceClient(conn)}
}

// ask sends a request to the method that takes it.
func (a asker) ask(ctx context.Context, req any) (err error) {
	switch r := req.(type) {
	case *runnelv1.CreateStreamRequest:
		_, err = a.streams.CreateStream(ctx, r)
	case *runnelv1.DeleteStreamRequest:
		_, err = a.streams.DeleteStream(ctx, r)
	case *runnelv1.DescribeStreamRequest:
		_, err = a.streams.DescribeStream(ctx, r)
	case *runnelv1.ListStreamsRequest:
		_, err = a.streams.ListStreams(ctx, r)
	case *runnelv1.ListShardsRequest:
		_, err = a.streams.ListShards(ctx, r)
	case *runnelv1.SplitShardRequest:
		_, err = a.streams.SplitShard(ctx, r)
	case *runnelv1.MergeShardsRequest:
		_, err = a.streams.MergeShards(ctx, r)
	case *runnelv1.UpdateShardCountRequest:
		_, err = a.streams.UpdateShardCount(ctx, r)
	case *runnelv1.SetRetentionRequest:
		_, err = a.streams.SetRetention(ctx, r)
	case *runnelv1.PutRecordRequest:
		_, err = a.records.PutRecord(ctx, r)
	case *runnelv1.PutRecordsRequest:
		_, err = a.records.PutRecords(ctx, r)
	case *runnelv1.GetIteratorRequest:
		_, err = a.records.GetIterator(ctx, r)
	case *runnelv1.ReadRecordsRequest:
		_, err = a.records.ReadRecords(ctx, r)
	default:
		panic("a request of no method")
	}
	return err
}

func entries(n, size int) []*runnelv1.PutEntry {
	return slices.Repeat([]*runnelv1.PutEntry{{PartitionKey: "k", Data: make([]byte, size)}}, n)
}

func from(kind runnelv1.From_Kind, change func(*runnelv1.From)) *runnelv1.GetIteratorRequest {
	f := &runnelv1.From{Kind: kind}
	if change != nil {
		change(f)
	}
	return &runnelv1.GetIteratorRequest{Stream: "s", Shard: firstShard, From: f}
}

var longName = strings.Repeat("n", stream.MaxNameBytes+1)

// malformed requests of every method, and the code of their errors.
var malformed = []struct {
	name string
	req  any
	code stream.Code
}{
	{"create: empty", &runnelv1.CreateStreamRequest{}, stream.CodeValidation},
	{"create: long name", &runnelv1.CreateStreamRequest{Name: longName, Shards: 1}, stream.CodeValidation},
	{"create: name of bad letters", &runnelv1.CreateStreamRequest{Name: "a/b", Shards: 1}, stream.CodeValidation},
	{"create: no shards", &runnelv1.CreateStreamRequest{Name: "x"}, stream.CodeValidation},
	{"create: shards beyond counting", &runnelv1.CreateStreamRequest{Name: "x", Shards: math.MaxUint32}, stream.CodeValidation},
	{"create: more shards than the account has", &runnelv1.CreateStreamRequest{Name: "x", Shards: 1_000_000}, stream.CodeLimitExceeded},
	{"create: short retention", &runnelv1.CreateStreamRequest{Name: "x", Shards: 1, RetentionHours: 23}, stream.CodeValidation},
	{"create: long retention", &runnelv1.CreateStreamRequest{Name: "x", Shards: 1, RetentionHours: 8761}, stream.CodeValidation},
	{"create: exists", &runnelv1.CreateStreamRequest{Name: "s", Shards: 1}, stream.CodeInUse},
	{"delete: empty", &runnelv1.DeleteStreamRequest{}, stream.CodeValidation},
	{"delete: unknown", &runnelv1.DeleteStreamRequest{Name: "x"}, stream.CodeNotFound},
	{"describe: unknown", &runnelv1.DescribeStreamRequest{Name: "x"}, stream.CodeNotFound},
	{"streams: long page", &runnelv1.ListStreamsRequest{Limit: 10_001}, stream.CodeValidation},
	{"streams: after no name", &runnelv1.ListStreamsRequest{After: "a b"}, stream.CodeValidation},
	{"shards: long page", &runnelv1.ListShardsRequest{Stream: "s", Limit: 10_001}, stream.CodeValidation},
	{"shards: filter of no kind", &runnelv1.ListShardsRequest{Stream: "s", Filter: &runnelv1.ShardFilter{}}, stream.CodeValidation},
	{"shards: filter of an unknown kind", &runnelv1.ListShardsRequest{Stream: "s", Filter: &runnelv1.ShardFilter{Kind: 99}}, stream.CodeValidation},
	{"shards: after no shard", filtered(runnelv1.ShardFilter_KIND_AFTER_SHARD_ID, 0), stream.CodeValidation},
	{"shards: before 1970", filtered(runnelv1.ShardFilter_KIND_AT_TIMESTAMP, -1), stream.CodeValidation},
	{"shards: after 9999", filtered(runnelv1.ShardFilter_KIND_FROM_TIMESTAMP, math.MaxInt64), stream.CodeValidation},
	{"split: nowhere", &runnelv1.SplitShardRequest{Stream: "s", Shard: firstShard}, stream.CodeValidation},
	{"split: at the start", &runnelv1.SplitShardRequest{Stream: "s", Shard: firstShard, At: &runnelv1.HashKey{}}, stream.CodeInvalidArgument},
	{"split: unknown shard", &runnelv1.SplitShardRequest{Stream: "s", Shard: "shardId-000000000009", At: &runnelv1.HashKey{Hi: 1}}, stream.CodeNotFound},
	{"split: long shard", &runnelv1.SplitShardRequest{Stream: "s", Shard: longName, At: &runnelv1.HashKey{Hi: 1}}, stream.CodeValidation},
	{"merge: with itself", &runnelv1.MergeShardsRequest{Stream: "s", Shard: firstShard, AdjacentShard: firstShard}, stream.CodeInvalidArgument},
	{"merge: with nothing", &runnelv1.MergeShardsRequest{Stream: "s", Shard: firstShard}, stream.CodeValidation},
	{"update: to none", &runnelv1.UpdateShardCountRequest{Stream: "s"}, stream.CodeValidation},
	{"retention: none", &runnelv1.SetRetentionRequest{Stream: "s"}, stream.CodeValidation},
	{"retention: unknown stream", &runnelv1.SetRetentionRequest{Stream: "x", Hours: 48}, stream.CodeNotFound},

	{"put: nothing", &runnelv1.PutRecordRequest{Stream: "s"}, stream.CodeValidation},
	{"put: no stream", &runnelv1.PutRecordRequest{Record: entries(1, 1)[0]}, stream.CodeValidation},
	{"put: unknown stream", &runnelv1.PutRecordRequest{Stream: "x", Record: entries(1, 1)[0]}, stream.CodeNotFound},
	{"put: no key", &runnelv1.PutRecordRequest{Stream: "s", Record: &runnelv1.PutEntry{Data: []byte("d")}}, stream.CodeValidation},
	{"put: long key", &runnelv1.PutRecordRequest{Stream: "s", Record: &runnelv1.PutEntry{PartitionKey: strings.Repeat("ü", 257)}}, stream.CodeValidation},
	{"put: 1 MiB and 1 byte", &runnelv1.PutRecordRequest{Stream: "s", Record: entries(1, 1<<20)[0]}, stream.CodeValidation},
	{"put many: none", &runnelv1.PutRecordsRequest{Stream: "s"}, stream.CodeValidation},
	{"put many: 501", &runnelv1.PutRecordsRequest{Stream: "s", Records: entries(501, 1)}, stream.CodeValidation},
	{"put many: a million", &runnelv1.PutRecordsRequest{Stream: "s", Records: entries(1_000_000, 1)}, stream.CodeValidation},
	{"put many: over 10 MiB", &runnelv1.PutRecordsRequest{Stream: "s", Records: entries(21, 500<<10)}, stream.CodeValidation},
	{"put many: one of bad form", &runnelv1.PutRecordsRequest{Stream: "s", Records: append(entries(2, 1), &runnelv1.PutEntry{})}, stream.CodeValidation},

	{"iterator: nowhere", &runnelv1.GetIteratorRequest{Stream: "s", Shard: firstShard}, stream.CodeValidation},
	{"iterator: unknown kind", from(99, nil), stream.CodeValidation},
	{"iterator: no sequence", from(runnelv1.From_KIND_AT_SEQUENCE, nil), stream.CodeValidation},
	{"iterator: no number", from(runnelv1.From_KIND_AT_SEQUENCE, func(f *runnelv1.From) { f.Sequence = "seven" }), stream.CodeInvalidArgument},
	{"iterator: endless number", from(runnelv1.From_KIND_AFTER_SEQUENCE, func(f *runnelv1.From) { f.Sequence = strings.Repeat("4", 1000) }), stream.CodeValidation},
	{"iterator: before 1970", from(runnelv1.From_KIND_AT_TIMESTAMP, func(f *runnelv1.From) { f.TimestampMs = -5 }), stream.CodeValidation},
	{"iterator: position beyond counting", from(runnelv1.From_KIND_AT_POSITION, func(f *runnelv1.From) { f.Position = math.MaxUint64 }), stream.CodeValidation},
	{"iterator: unknown shard", &runnelv1.GetIteratorRequest{Stream: "s", Shard: "shardId-000000000009", From: &runnelv1.From{Kind: runnelv1.From_KIND_LATEST}}, stream.CodeNotFound},
	{"read: no iterator", &runnelv1.ReadRecordsRequest{}, stream.CodeValidation},
	{"read: forged iterator", &runnelv1.ReadRecordsRequest{Iterator: strings.Repeat("A", 100)}, stream.CodeInvalidArgument},
	{"read: endless iterator", &runnelv1.ReadRecordsRequest{Iterator: strings.Repeat("A", 1000)}, stream.CodeValidation},
	{"read: 10,001 records", &runnelv1.ReadRecordsRequest{Iterator: "A", Limit: 10_001}, stream.CodeValidation},
}

func filtered(kind runnelv1.ShardFilter_Kind, ms int64) *runnelv1.ListShardsRequest {
	return &runnelv1.ListShardsRequest{Stream: "s", Filter: &runnelv1.ShardFilter{Kind: kind, TimestampMs: ms}}
}

// Every malformed request gets its error and changes nothing.
func TestMalformedRequests(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	c := n.Client(t)
	testcluster.Create(t, c, "s", 1)
	before, err := c.DescribeStream(testContext(t), "s")
	if err != nil {
		t.Fatal(err)
	}
	ask := newAsker(t, n)
	for _, m := range malformed {
		err := ask.ask(testContext(t), m.req)
		if code := stream.CodeOf(wire.FromStatus(err)); err == nil || code != m.code {
			t.Errorf("%s: %v (%v), want %v", m.name, err, code, m.code)
		}
	}
	after, err := c.DescribeStream(testContext(t), "s")
	if err != nil || after != before {
		t.Errorf("the stream was %+v and is %+v (%v)", before, after, err)
	}
	if infos, _, err := c.ListStreams(testContext(t), "", 0); err != nil || len(infos) != 1 {
		t.Errorf("there are now %d streams (%v)", len(infos), err)
	}
	for r, err := range c.ReadShard(testContext(t), "s", firstShard, horizon) {
		t.Fatalf("a record was stored: %v %v", r, err)
	}
}

// A message over the limit is refused before it is read.
func TestMessagesAreBounded(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	err := newAsker(t, n).ask(testContext(t), &runnelv1.PutRecordsRequest{Stream: "s", Records: entries(12, 1<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("a message of 12 MiB: %v", err)
	}
}
