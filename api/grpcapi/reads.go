package grpcapi

import (
	"context"
	"time"

	"google.golang.org/grpc"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

const (
	// leastRead is what a read gets while there is no memory for a whole answer.
	leastRead = 1 << 20
	// readPatience is how long the answer to a read holds its memory: after that its
	// client is slow, or gone.
	readPatience = 10 * time.Second
)

// borrowRead waits for memory of an answer. It may be shorter than was asked for:
// the next read goes on behind it.
func (m *pushMemory) borrowRead(ctx context.Context) (*loan, error) {
	nobody := func(error) {}
	if l := m.ask(stream.MaxReadBytes, nobody); l != nil {
		return l, nil
	}
	return m.borrow(ctx, leastRead, nobody)
}

// sending is the place where a read leaves its loan for the interceptor.
type sending struct{ loan *loan }

type sendingKey struct{}

// whenSent gives a loan back when the answer of the call is on the wire.
func whenSent(ctx context.Context, l *loan) {
	s, ok := ctx.Value(sendingKey{}).(*sending)
	if !ok {
		l.back()
		return
	}
	s.loan = l
	time.AfterFunc(readPatience, l.back)
}

// sendReads makes answers of reads tell when they are on the wire: a handler has
// returned long before.
func sendReads(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if _, reads := req.(*runnelv1.ReadRecordsRequest); !reads {
		return handle(ctx, req)
	}
	s := &sending{}
	resp, err := handle(context.WithValue(ctx, sendingKey{}, s), req)
	if m, ok := resp.(*runnelv1.ReadRecordsResponse); ok && err == nil && s.loan != nil {
		return &wire.Read{Response: m, Sent: s.loan.back}, nil
	}
	return resp, err
}
