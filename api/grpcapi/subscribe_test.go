package grpcapi_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/testcluster"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

const firstShard = "shardId-000000000000"

var horizon = client.Horizon()

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dial is a connection without a client of ours: it may misbehave.
func dial(t *testing.T, n *testcluster.Node) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(n.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

type subscription = grpc.BidiStreamingClient[runnelv1.SubscribeRequest, runnelv1.SubscribeResponse]

// subscribe begins at the horizon of the first shard.
func subscribe(t *testing.T, conn *grpc.ClientConn, name string, credit uint64) subscription {
	t.Helper()
	sub, err := runnelv1.NewRecordServiceClient(conn).Subscribe(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	send(t, sub, &runnelv1.SubscribeRequest{Request: &runnelv1.SubscribeRequest_Start{Start: &runnelv1.SubscribeStart{
		Stream: name, Shard: firstShard, Credit: credit, From: &runnelv1.From{Kind: runnelv1.From_KIND_TRIM_HORIZON},
	}}})
	if r := receive(t, sub); r.GetStarted() == nil {
		t.Fatalf("the first message is %v", r)
	}
	return sub
}

func grant(bytes uint64) *runnelv1.SubscribeRequest {
	return &runnelv1.SubscribeRequest{Request: &runnelv1.SubscribeRequest_Grant{Grant: &runnelv1.SubscribeGrant{Bytes: bytes}}}
}

func send(t *testing.T, sub subscription, m *runnelv1.SubscribeRequest) {
	t.Helper()
	if err := sub.Send(m); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, sub subscription) *runnelv1.SubscribeResponse {
	t.Helper()
	r, err := sub.Recv()
	if err != nil {
		t.Fatal(wire.FromStatus(err))
	}
	return r
}

func put(t *testing.T, c *client.Client, name, key string, size int) stream.Sequence {
	t.Helper()
	seq, err := c.Put(testContext(t), name, client.Record{PartitionKey: key, Data: make([]byte, size)})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// A stream that is deleted while a subscriber has too little credit ends the
// subscription, and nothing else.
func TestAStreamIsDeletedBeforeTheCreditComes(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	c := n.Client(t)
	testcluster.Create(t, c, "s", 1)
	put(t, c, "s", "k", 1000)
	sub := subscribe(t, dial(t, n), "s", 10)
	if r := receive(t, sub); r.GetStarved().GetNeeded() < 1000 {
		t.Fatalf("a subscriber without enough credit got %v", r)
	}
	if err := c.DeleteStream(testContext(t), "s"); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitDeleted(testContext(t), "s"); err != nil {
		t.Fatal(err)
	}
	send(t, sub, grant(1<<20))
	if r, err := sub.Recv(); stream.CodeOf(wire.FromStatus(err)) != stream.CodeNotFound {
		t.Fatalf("the subscription to a stream that is gone: %v, %v", r, err)
	}
	testcluster.Create(t, c, "other", 1)
}
