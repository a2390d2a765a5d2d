package client

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// answering answers every batch with what answer says.
func answering(answer func(*runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse) *scripted {
	return &scripted{putStream: func(g putStreamServer) error {
		for {
			req, err := g.Recv()
			if err != nil {
				return nil
			}
			if err := g.Send(answer(req)); err != nil {
				return err
			}
		}
	}}
}

// stored answers that all is stored, from the position on.
func stored(req *runnelv1.PutStreamRequest, at uint64) *runnelv1.PutStreamResponse {
	resp := &runnelv1.PutStreamResponse{Id: req.GetId()}
	for range req.GetRecords() {
		resp.Results = append(resp.Results, &runnelv1.PutResult{Sequence: &runnelv1.Sequence{Position: at}})
		at++
	}
	return resp
}

func refused(code stream.Code) *runnelv1.PutResult {
	return &runnelv1.PutResult{Error: wire.FromError(stream.Errorf(code, "refused"))}
}

var record = Record{PartitionKey: "k", Data: []byte("data")}

// A put that was refused is made again, within the attempts.
func TestRefusedPutsAreRetried(t *testing.T) {
	for _, code := range []stream.Code{
		stream.CodeThroughputExceeded, stream.CodeUnavailable, stream.CodeOverloaded, stream.CodeDiskFull,
	} {
		var calls atomic.Int32
		s := answering(func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse {
			resp := stored(req, 7)
			if calls.Add(1) < 3 {
				resp.Results[0] = refused(code)
			}
			return resp
		})
		seq, err := clientOf(t, s.run(t)).Put(limited(t), "s", record)
		if err != nil || seq.Position != 7 || calls.Load() != 3 {
			t.Errorf("%v: %v, %v after %d calls", code, seq, err, calls.Load())
		}
	}
	var calls atomic.Int32
	s := answering(func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse {
		calls.Add(1)
		return &runnelv1.PutStreamResponse{Id: req.GetId(), Error: wire.FromError(stream.Errorf(stream.CodeNotFound, "no such stream"))}
	})
	_, err := clientOf(t, s.run(t)).Put(limited(t), "s", record)
	wantCode(t, err, stream.CodeNotFound)
	if calls.Load() != 1 {
		t.Errorf("a put that can not succeed was made %d times", calls.Load())
	}
}

// A put of which nobody knows whether it was stored is made again only by who has
// asked for that.
func TestUnknownOutcomes(t *testing.T) {
	for _, lost := range []struct {
		name string
		put  func(putStreamServer, *runnelv1.PutStreamRequest) error
	}{
		{"the connection is lost", func(putStreamServer, *runnelv1.PutStreamRequest) error {
			return status.Error(codes.Unavailable, "gone")
		}},
		{"the stream ends", func(putStreamServer, *runnelv1.PutStreamRequest) error { return nil }},
		{"the server says so", func(g putStreamServer, r *runnelv1.PutStreamRequest) error {
			return g.Send(&runnelv1.PutStreamResponse{Id: r.GetId(), Results: []*runnelv1.PutResult{refused(stream.CodeUnknownOutcome)}})
		}},
		{"the server answers something else", func(g putStreamServer, r *runnelv1.PutStreamRequest) error {
			return g.Send(&runnelv1.PutStreamResponse{Id: r.GetId()})
		}},
		{"the server answers nonsense", func(g putStreamServer, r *runnelv1.PutStreamRequest) error {
			return g.Send(&runnelv1.PutStreamResponse{Id: r.GetId() + 100})
		}},
		{"the server does not answer", func(g putStreamServer, _ *runnelv1.PutStreamRequest) error {
			<-g.Context().Done()
			return nil
		}},
	} {
		t.Run(lost.name, func(t *testing.T) {
			var calls atomic.Int32
			s := &scripted{putStream: func(g putStreamServer) error {
				for {
					req, err := g.Recv()
					if err != nil {
						return nil
					}
					if calls.Add(1)%2 == 1 {
						err = lost.put(g, req)
						if err != nil || lost.name == "the stream ends" {
							return err
						}
						continue
					}
					if err := g.Send(stored(req, 9)); err != nil {
						return err
					}
				}
			}}
			l := s.run(t)
			short := WithAttemptTimeout(100 * time.Millisecond)
			c := clientOf(t, l, short)
			_, err := c.Put(limited(t), "s", record)
			wantCode(t, err, stream.CodeUnknownOutcome)
			if seq, err := c.Put(limited(t), "s", record); err != nil || seq.Position != 9 {
				t.Fatalf("the put after it: %v, %v", seq, err)
			}
			if seq, err := clientOf(t, l, short, WithRetryUnknown()).Put(limited(t), "s", record); err != nil || seq.Position != 9 {
				t.Fatalf("a put that is to be retried: %v, %v", seq, err)
			}
		})
	}
}

// Records that were refused are sent again before any later record; each gets its
// result.
func TestPutManyKeepsOrder(t *testing.T) {
	var order []string // of what is stored; one batch at a time
	var calls int
	s := answering(func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse {
		resp := &runnelv1.PutStreamResponse{Id: req.GetId()}
		calls++
		open := calls%2 == 0
		for i, r := range req.GetRecords() {
			if open = open || i < len(req.GetRecords())/2; !open {
				resp.Results = append(resp.Results, refused(stream.CodeThroughputExceeded))
				continue
			}
			order = append(order, string(r.GetData()))
			resp.Results = append(resp.Results, &runnelv1.PutResult{Sequence: &runnelv1.Sequence{Position: uint64(len(order))}})
			open = calls%2 == 0
		}
		return resp
	})
	records := make([]Record, 1200)
	for i := range records {
		records[i] = Record{PartitionKey: "k", Data: []byte(strings.Repeat("x", i%7) + string(rune('a'+i%26)))}
	}
	bad := map[int]bool{0: true, 3: true, 700: true}
	records[0].PartitionKey, records[3].PartitionKey, records[700].PartitionKey = "", "\xff", strings.Repeat("k", 300)
	results, err := clientOf(t, s.run(t)).PutMany(limited(t), "s", records)
	wantCode(t, err, stream.CodeValidation)
	at := 0
	for i, r := range results {
		if bad[i] {
			wantCode(t, r.Err, stream.CodeValidation)
			continue
		}
		if r.Err != nil || order[at] != string(records[i].Data) || int(r.Sequence.Position) != at+1 {
			t.Fatalf("record %d: %+v, stored as %d: %q", i, r, at, order[at])
		}
		at++
	}
	if at != len(order) {
		t.Fatalf("%d records are stored, want %d", len(order), at)
	}
}

// A put that can not even be sent, since the connection takes no more streams, does
// not wait for ever.
func TestPutsEndThoughNoStreamOpens(t *testing.T) {
	l := newShardLog()
	s := answering(func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse { return stored(req, 1) })
	s.subscribe = l.subscribe
	c := clientOf(t, s.run(t, grpc.MaxConcurrentStreams(1)), WithAttemptTimeout(50*time.Millisecond))
	sub, err := c.Subscribe(t.Context(), "s", someShard, Horizon())
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.Put(t.Context(), "s", record)
		failed <- err
	}()
	select {
	case err := <-failed:
		if !stream.CodeOf(err).Retryable() {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the put waits for ever")
	}
	sub.Close()
	// The server notes that the stream is gone a little later.
	for _, err := c.Put(t.Context(), "s", record); err != nil; _, err = c.Put(t.Context(), "s", record) {
		if limited(t).Err() != nil {
			t.Fatal(err)
		}
	}
}

// The budget lets single calls be retried, and not all calls of an outage.
func TestTheBudgetEndsRetries(t *testing.T) {
	b := newBudget(10)
	begin := b.filled
	took := 0
	for range 100 {
		if b.take(begin) {
			took++
		}
	}
	if took != 10 {
		t.Errorf("%d retries at once, want 10", took)
	}
	if b.take(begin.Add(50 * time.Millisecond)); b.take(begin.Add(90 * time.Millisecond)) {
		t.Error("a retry before a tenth of a second is over")
	}
	for range 5 {
		b.success()
	}
	if !b.take(begin.Add(90 * time.Millisecond)) {
		t.Error("no retry after five successes")
	}
	for n := range 100 {
		p := RetryPolicy{Attempts: 8, Base: 20 * time.Millisecond, Max: time.Second}
		if d := p.pause(n + 1); d <= 0 || d > time.Second || n == 0 && d > 20*time.Millisecond {
			t.Errorf("pause %d is %v", n+1, d)
		}
	}
}

// Reading waits for the quota of the shard, however long that takes.
func TestReadShardWaitsForTheQuota(t *testing.T) {
	var calls int
	block := blocks(5, "data").GetBlocks().GetBlocks()
	s := &scripted{read: func(*runnelv1.ReadRecordsRequest) (*runnelv1.ReadRecordsResponse, error) {
		if calls++; calls < 50 {
			return nil, wire.Status(stream.Errorf(stream.CodeThroughputExceeded, "slowly"))
		}
		return &runnelv1.ReadRecordsResponse{Blocks: block}, nil
	}}
	n := 0
	for r, err := range clientOf(t, s.run(t)).ReadShard(limited(t), "s", someShard, Horizon()) {
		if err != nil || string(r.Data) != "data" {
			t.Fatal(r, err)
		}
		n++
	}
	if n != 1 {
		t.Fatalf("%d records", n)
	}
}

// Every call on a closed client says that it is.
func TestClosedClient(t *testing.T) {
	l := newShardLog()
	s := answering(func(req *runnelv1.PutStreamRequest) *runnelv1.PutStreamResponse { return stored(req, 1) })
	s.subscribe = l.subscribe
	c := clientOf(t, s.run(t))
	if _, err := c.Put(limited(t), "s", record); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := limited(t)
	for name, call := range map[string]func() error{
		"Put":       func() error { _, err := c.Put(ctx, "s", record); return err },
		"PutMany":   func() error { _, err := c.PutMany(ctx, "s", []Record{record}); return err },
		"PutBatch":  func() error { _, err := c.PutBatch(ctx, "s", []Record{record}); return err },
		"Create":    func() error { return c.CreateStream(ctx, "s", 1, 0) },
		"Describe":  func() error { _, err := c.DescribeStream(ctx, "s"); return err },
		"Wait":      func() error { _, err := c.WaitActive(ctx, "s"); return err },
		"Iterator":  func() error { _, err := c.Iterator(ctx, "s", someShard, Horizon()); return err },
		"Subscribe": func() error { _, err := c.Subscribe(ctx, "s", someShard, Horizon()); return err },
		"Follow":    func() error { _, err := c.Follow(ctx, "s", Horizon()); return err },
	} {
		err := call()
		if !errors.Is(err, ErrClosed) || stream.CodeOf(err) != stream.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
