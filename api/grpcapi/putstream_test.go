package grpcapi_test

import (
	"strings"
	"testing"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/internal/testcluster"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// What is wrong with one batch, or one record of it, is said of that one. The
// stream goes on: others may share it.
func TestMalformedBatches(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	c := n.Client(t)
	testcluster.Create(t, c, "s", 2)
	puts, err := runnelv1.NewRecordServiceClient(dial(t, n)).PutStream(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse {
		t.Helper()
		if err := puts.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := puts.Recv()
		if err != nil {
			t.Fatal(wire.FromStatus(err))
		}
		if resp.GetId() != req.GetId() {
			t.Fatalf("answer to %d, not %d", resp.GetId(), req.GetId())
		}
		return resp
	}
	for i, b := range []struct {
		name string
		req  *runnelv1.PutStreamRequest
		code stream.Code
	}{
		{"empty", &runnelv1.PutStreamRequest{}, stream.CodeValidation},
		{"no stream", &runnelv1.PutStreamRequest{Records: entries(1, 1)}, stream.CodeValidation},
		{"unknown stream", &runnelv1.PutStreamRequest{Stream: "x", Records: entries(1, 1)}, stream.CodeNotFound},
		{"no records", &runnelv1.PutStreamRequest{Stream: "s"}, stream.CodeValidation},
		{"501 records", &runnelv1.PutStreamRequest{Stream: "s", Records: entries(501, 1)}, stream.CodeValidation},
		{"a million records", &runnelv1.PutStreamRequest{Stream: "s", Records: entries(1_000_000, 1)}, stream.CodeValidation},
		{"over 10 MiB", &runnelv1.PutStreamRequest{Stream: "s", Records: entries(21, 500<<10)}, stream.CodeValidation},
	} {
		b.req.Id = uint64(i + 1)
		if err := wire.ToError(ask(b.req).GetError()); err.Code != b.code {
			t.Errorf("%s: %v (%v), want %v", b.name, err, err.Code, b.code)
		}
	}
	bad := []*runnelv1.PutEntry{
		{},
		{Data: []byte("no key")},
		{PartitionKey: strings.Repeat("ü", 257)},
		{PartitionKey: strings.Repeat("k", 70_000)},
		entries(1, 1<<20)[0], entries(1, 9<<20)[0],
	}
	for _, e := range bad {
		good := entries(1, 1)[0]
		resp := ask(&runnelv1.PutStreamRequest{Id: 100, Stream: "s", Records: []*runnelv1.PutEntry{good, e, good}})
		if len(resp.GetResults()) != 3 {
			t.Fatalf("answer %v", resp)
		}
		for i, r := range resp.GetResults() {
			switch {
			case i == 1 && wire.ToError(r.GetError()).Code != stream.CodeValidation:
				t.Errorf("a key of %d and %d bytes: %v", len(e.GetPartitionKey()), len(e.GetData()), r)
			case i != 1 && r.GetError() != nil:
				t.Errorf("a good record beside a bad one: %v", r)
			}
		}
	}
	stored := 0
	for _, s := range []string{firstShard, "shardId-000000000001"} {
		for _, err := range c.ReadShard(testContext(t), "s", s, horizon) {
			if err != nil {
				t.Fatal(err)
			}
			stored++
		}
	}
	if stored != 2*len(bad) {
		t.Errorf("%d records are stored, want %d", stored, 2*len(bad))
	}
}

// Every malformed subscription ends with its error.
func TestMalformedSubscriptions(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	testcluster.Create(t, n.Client(t), "s", 1)
	conn := dial(t, n)
	start := func(s *runnelv1.SubscribeStart) *runnelv1.SubscribeRequest {
		return &runnelv1.SubscribeRequest{Request: &runnelv1.SubscribeRequest_Start{Start: s}}
	}
	good := start(&runnelv1.SubscribeStart{Stream: "s", Shard: firstShard, From: &runnelv1.From{Kind: runnelv1.From_KIND_LATEST}})
	for _, s := range []struct {
		name string
		send []*runnelv1.SubscribeRequest
		code stream.Code
	}{
		{"nothing at all", nil, stream.CodeValidation},
		{"an empty message", []*runnelv1.SubscribeRequest{{}}, stream.CodeValidation},
		{"a grant first", []*runnelv1.SubscribeRequest{grant(1), good}, stream.CodeValidation},
		{"nothing in the start", []*runnelv1.SubscribeRequest{start(&runnelv1.SubscribeStart{})}, stream.CodeValidation},
		{"no place", []*runnelv1.SubscribeRequest{start(&runnelv1.SubscribeStart{Stream: "s", Shard: firstShard})}, stream.CodeValidation},
		{"unknown stream", []*runnelv1.SubscribeRequest{start(&runnelv1.SubscribeStart{Stream: "x", Shard: firstShard, From: good.GetStart().GetFrom()})}, stream.CodeNotFound},
		{"unknown shard", []*runnelv1.SubscribeRequest{start(&runnelv1.SubscribeStart{Stream: "s", Shard: "shardId-000000000009", From: good.GetStart().GetFrom()})}, stream.CodeNotFound},
		{"two starts", []*runnelv1.SubscribeRequest{good, good}, stream.CodeValidation},
		{"an empty grant", []*runnelv1.SubscribeRequest{good, {}}, stream.CodeValidation},
	} {
		sub, err := runnelv1.NewRecordServiceClient(conn).Subscribe(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.send {
			_ = sub.Send(m) // the answer to the one before may be quicker
		}
		if s.send == nil {
			_ = sub.CloseSend()
		}
		for err == nil {
			_, err = sub.Recv()
		}
		if code := stream.CodeOf(wire.FromStatus(err)); code != s.code {
			t.Errorf("%s: %v (%v), want %v", s.name, err, code, s.code)
		}
	}
}
