package client

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// starving is a server that first wants more credit for a block.
type starving struct {
	runnelv1.UnimplementedRecordServiceServer
	block []byte
}

func (s *starving) Subscribe(g grpc.BidiStreamingServer[runnelv1.SubscribeRequest, runnelv1.SubscribeResponse]) error {
	if _, err := g.Recv(); err != nil {
		return err
	}
	for _, r := range []*runnelv1.SubscribeResponse{
		{Response: &runnelv1.SubscribeResponse_Started{Started: &runnelv1.SubscribeStarted{Next: 1}}},
		{}, // of a kind that is not known yet
		{Response: &runnelv1.SubscribeResponse_Starved{Starved: &runnelv1.SubscribeStarved{Needed: 1 << 20}}},
	} {
		if err := g.Send(r); err != nil {
			return err
		}
	}
	if _, err := g.Recv(); err != nil { // the grant
		return err
	}
	blocks := &runnelv1.SubscribeBlocks{Blocks: []*runnelv1.Block{{Encoded: s.block, First: 1, Last: 1}}, Next: 2}
	if err := g.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Blocks{Blocks: blocks}}); err != nil {
		return err
	}
	<-g.Context().Done()
	return nil
}

// A subscription that waits for credit has not caught up: who reads until it has
// would miss the rest.
func TestStarvedIsNotCaughtUp(t *testing.T) {
	block := stream.AppendBlock(nil, stream.BlockHeader{First: 1}, []stream.Record{{PartitionKey: "k", Data: []byte("v")}})
	l := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	runnelv1.RegisterRecordServiceServer(srv, &starving{block: block})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	defer func() {
		srv.Stop()
		<-done
	}()
	c, err := New("passthrough:", WithDialOptions(grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	sub, err := c.Subscribe(t.Context(), "s", "shardId-000000000000", Horizon(), WithCredit(64), WithIdle())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	b, err := sub.Next(t.Context())
	if err != nil || b.Len() != 1 {
		t.Fatalf("the first batch has %d records (%v), want the one for which there was too little credit", b.Len(), err)
	}
}
