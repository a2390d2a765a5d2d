package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runnel-io/runnel/stream"
)

// shardLog is a shard whose records a test adds, from position 1 on.
type shardLog struct {
	mu      sync.Mutex
	records []string
	grown   chan struct{}
}

func newShardLog() *shardLog { return &shardLog{grown: make(chan struct{})} }

func (l *shardLog) add(data string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, data)
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *shardLog) from(at int) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[at-1:], l.grown
}

func (l *shardLog) subscribe(g subscribeServer) error {
	req, err := g.Recv()
	if err != nil {
		return err
	}
	at := max(1, int(req.GetStart().GetFrom().GetPosition()))
	if err := g.Send(started(uint64(at))); err != nil {
		return err
	}
	for {
		records, grown := l.from(at)
		for _, r := range records {
			if err := g.Send(blocks(stream.Position(at), r)); err != nil {
				return err
			}
			at++
		}
		select {
		case <-grown:
		case <-g.Context().Done():
			return nil
		}
	}
}

func only(t *testing.T, b *Batch, err error) StoredRecord {
	t.Helper()
	if err != nil || b.Len() != 1 {
		t.Fatalf("%+v, %v: want one record", b, err)
	}
	for r := range b.Records() {
		return r
	}
	return StoredRecord{}
}

// The end of a call's context ends that call, and no later one.
func TestTheEndOfAContextEndsOneCall(t *testing.T) {
	l := newShardLog()
	s := &scripted{subscribe: l.subscribe}
	sub, err := clientOf(t, s.run(t)).Subscribe(limited(t), "s", someShard, Horizon())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := sub.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a call whose time is over: %v", err)
	}
	l.add("a")
	b, err := sub.Next(limited(t))
	only(t, b, err)

	call := sub.begin()
	sub.begin()
	sub.interrupt(call) // comes late, as the end of a context may
	l.add("b")
	b, err = sub.try()
	if r := only(t, b, err); string(r.Data) != "b" || r.Sequence.Position != 2 {
		t.Fatalf("got %q at %d", r.Data, r.Sequence.Position)
	}
}

// Everything that the server has sent is read, though it no longer listens.
func TestWhatWasSentBeforeTheEndIsRead(t *testing.T) {
	var calls atomic.Int32
	s := &scripted{subscribe: func(g subscribeServer) error {
		calls.Add(1)
		if _, err := g.Recv(); err != nil {
			return err
		}
		return sendAll(g, started(1), blocks(1, "a"), blocks(2, "b"), blocks(3, "c"), ended())
	}}
	// Credit so small that every block is followed by a grant.
	sub, err := clientOf(t, s.run(t)).Subscribe(limited(t), "s", someShard, Horizon(), WithCredit(1))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for range 3 {
		b, err := sub.Next(limited(t))
		only(t, b, err)
	}
	if b, err := sub.Next(limited(t)); err != nil || !b.Ended {
		t.Fatalf("%+v, %v: want the end of the shard", b, err)
	}
	if _, err := sub.Next(limited(t)); !errors.Is(err, io.EOF) {
		t.Fatalf("after the end: %v", err)
	}
	if n := calls.Load(); n != 1 {
		t.Fatalf("the client connected %d times", n)
	}
}

// Who waits for a server that is away can be told to stop.
func TestWaitingForAServerEnds(t *testing.T) {
	patient := WithRetry(RetryPolicy{Attempts: 1, Base: time.Hour, Max: time.Hour})
	for _, end := range []struct {
		name string
		by   func(c *Client, sub *Subscription, cancel func())
		want error
	}{
		{"by the context", func(_ *Client, _ *Subscription, cancel func()) { cancel() }, context.Canceled},
		{"by Close", func(_ *Client, sub *Subscription, _ func()) { sub.Close() }, context.Canceled},
		{"by the client's Close", func(c *Client, _ *Subscription, _ func()) { _ = c.Close() }, ErrClosed},
	} {
		t.Run(end.name, func(t *testing.T) {
			away := make(chan struct{}, 1)
			s := &scripted{subscribe: func(g subscribeServer) error {
				if _, err := g.Recv(); err != nil {
					return err
				}
				if err := g.Send(started(1)); err != nil {
					return err
				}
				away <- struct{}{}
				return status.Error(codes.Unavailable, "away")
			}}
			c := clientOf(t, s.run(t), patient)
			sub, err := c.Subscribe(t.Context(), "s", someShard, Horizon())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(limited(t))
			defer cancel()
			go func() {
				<-away
				end.by(c, sub, cancel)
			}()
			if _, err := sub.Next(ctx); !errors.Is(err, end.want) {
				t.Fatalf("%v, want %v", err, end.want)
			}
		})
	}
}
