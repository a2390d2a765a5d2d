package grpcapi

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
)

// fullBroker lets nobody go on before it is full.
type fullBroker struct {
	Records[Subscription]
	holds, most atomic.Int64
	full        func(holds int64) bool
	open        chan struct{}
	once        sync.Once
}

func (b *fullBroker) Put(_ context.Context, _ string, records []broker.PutRecord) ([]broker.PutResult, error) {
	n := int64(len(records[0].Data))
	holds := b.holds.Add(n)
	defer b.holds.Add(-n)
	for most := b.most.Load(); holds > most && !b.most.CompareAndSwap(most, holds); most = b.most.Load() {
	}
	if b.full(holds) {
		b.once.Do(func() { close(b.open) })
	}
	<-b.open
	return make([]broker.PutResult, len(records)), nil
}

// More batches than there is memory for wait on the way, and all are answered.
func TestPutStreamsShareMemory(t *testing.T) {
	const streams, batch = 80, 1 << 20
	b := &fullBroker{open: make(chan struct{}), full: func(holds int64) bool { return holds > putMemoryBytes-2*batch }}
	conn := serveRecords(t, b)
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() {
			if err := putOnce(t.Context(), conn, uint64(i), batch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most := b.most.Load(); most > putMemoryBytes {
		t.Errorf("the broker had %d bytes at once, allowed are %d", most, putMemoryBytes)
	}
}

func putOnce(ctx context.Context, conn *grpc.ClientConn, id uint64, size int) error {
	puts, err := runnelv1.NewRecordServiceClient(conn).PutStream(ctx)
	if err != nil {
		return err
	}
	e := wire.PutEntry{PartitionKey: "k", Data: bytes.Repeat([]byte{1}, size)}
	entries := wire.AppendEntry(nil, &e)
	if err := puts.SendMsg(&wire.PutMessage{ID: id, Stream: "s", Entries: &entries}); err != nil {
		return err
	}
	var answer wire.PutAnswer
	if err := puts.RecvMsg(&answer); err != nil {
		return err
	}
	if answer.ID != id || answer.Err != nil || len(answer.Results) != 1 {
		return fmt.Errorf("answer %+v", answer)
	}
	return puts.CloseSend()
}

func serveRecords(t *testing.T, b Records[Subscription]) *grpc.ClientConn {
	t.Helper()
	return serve(t, b, Config{})
}

func serve(t *testing.T, b Records[Subscription], cfg Config) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer(Options()...)
	Register[Subscription](s, struct {
		Streams
		Records[Subscription]
	}{Records: b}, cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	conn, err := grpc.NewClient("passthrough:", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec())),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		<-done
	})
	return conn
}
