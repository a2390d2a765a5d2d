package grpcapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

func TestReadsShareMemory(t *testing.T) {
	m := newPushMemory(stream.MaxReadBytes + leastRead)
	for _, want := range []int64{stream.MaxReadBytes, leastRead} {
		l, err := m.borrowRead(t.Context())
		if err != nil || l.bytes != want {
			t.Fatalf("borrowed %+v, %v, want %d bytes", l, err, want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopping)
	if _, err := m.borrowRead(ctx); !errors.Is(err, errStopping) {
		t.Errorf("got %v", err)
	}
}

// A read holds its memory until the answer is on the wire, and no longer than its
// client may take.
func TestReadsGiveBackWhenSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPushMemory(100)
		for _, sent := range []bool{true, false} {
			l := m.ask(100, nil)
			read := func(ctx context.Context, _ any) (any, error) {
				defer whenSent(ctx, l)
				return &runnelv1.ReadRecordsResponse{NextIterator: "next"}, nil
			}
			resp, err := sendReads(t.Context(), &runnelv1.ReadRecordsRequest{}, &grpc.UnaryServerInfo{}, read)
			if err != nil || l.returned() {
				t.Fatalf("%v; given back before it was sent: %v", err, l.returned())
			}
			data, err := wire.Codec().Marshal(resp)
			if err != nil {
				t.Fatal(err)
			}
			if sent {
				data.Free()
			} else {
				time.Sleep(readPatience) // of the bubble's time
				synctest.Wait()
			}
			if !l.returned() {
				t.Errorf("sent: %v; it was not given back", sent)
			}
		}
	})
}

func TestReadsThatFailOrAreNotSentHere(t *testing.T) {
	m := newPushMemory(100)
	l := m.ask(100, nil)
	whenSent(t.Context(), l) // no interceptor
	if !l.returned() {
		t.Error("it was not given back")
	}
	why := errors.New("no")
	fails := func(context.Context, any) (any, error) { return (*runnelv1.ReadRecordsResponse)(nil), why }
	if _, err := sendReads(t.Context(), &runnelv1.ReadRecordsRequest{}, nil, fails); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
