package client

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a server that does what a test wants. What it has no function for,
// it does not know.
type scripted struct {
	runnelv1.UnimplementedRecordServiceServer
	putStream func(putStreamServer) error
	subscribe func(subscribeServer) error
	read      func(*runnelv1.ReadRecordsRequest) (*runnelv1.ReadRecordsResponse, error)
}

type (
	putStreamServer = grpc.BidiStreamingServer[runnelv1.PutStreamRequest, runnelv1.PutStreamResponse]
	subscribeServer = grpc.BidiStreamingServer[runnelv1.SubscribeRequest, runnelv1.SubscribeResponse]
)

func (s *scripted) PutStream(g putStreamServer) error { return s.putStream(g) }

func (s *scripted) Subscribe(g subscribeServer) error { return s.subscribe(g) }

func (s *scripted) GetIterator(context.Context, *runnelv1.GetIteratorRequest) (*runnelv1.GetIteratorResponse, error) {
	return &runnelv1.GetIteratorResponse{Iterator: "first"}, nil
}

func (s *scripted) ReadRecords(_ context.Context, r *runnelv1.ReadRecordsRequest) (*runnelv1.ReadRecordsResponse, error) {
	return s.read(r)
}

// run serves the script until the test ends.
func (s *scripted) run(t *testing.T, opts ...grpc.ServerOption) *bufconn.Listener {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(opts...)
	runnelv1.RegisterRecordServiceServer(srv, s)
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		srv.Stop()
		wg.Wait()
	})
	return l
}

// quick retries at once and often.
var quick = WithRetry(RetryPolicy{Attempts: 3, Base: time.Millisecond, Max: 2 * time.Millisecond, Budget: 100})

func clientOf(t *testing.T, l *bufconn.Listener, opts ...Option) *Client {
	t.Helper()
	dial := WithDialOptions(grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	c, err := New("passthrough:", append([]Option{dial, quick}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantCode(t *testing.T, err error, code stream.Code) {
	t.Helper()
	if err == nil || stream.CodeOf(err) != code {
		t.Fatalf("%v (%v), want %v", err, stream.CodeOf(err), code)
	}
}

const someShard = "shardId-000000000000"

// blocks is a push of one record at the position.
func blocks(at stream.Position, data string) *runnelv1.SubscribeResponse {
	block := stream.AppendBlock(nil, stream.BlockHeader{First: at}, []stream.Record{{PartitionKey: "k", Data: []byte(data)}})
	return &runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Blocks{Blocks: &runnelv1.SubscribeBlocks{
		Blocks: []*runnelv1.Block{{Encoded: block, First: uint64(at), Last: uint64(at)}}, Next: uint64(at) + 1,
	}}}
}

func started(next uint64) *runnelv1.SubscribeResponse {
	return &runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Started{Started: &runnelv1.SubscribeStarted{Next: next}}}
}

func starved(needed uint64) *runnelv1.SubscribeResponse {
	return &runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Starved{Starved: &runnelv1.SubscribeStarved{Needed: needed}}}
}

func ended() *runnelv1.SubscribeResponse {
	return &runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_End{End: &runnelv1.SubscribeEnd{}}}
}

func sendAll(g subscribeServer, messages ...*runnelv1.SubscribeResponse) error {
	for _, m := range messages {
		if err := g.Send(m); err != nil {
			return err
		}
	}
	return nil
}
