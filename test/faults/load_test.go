//go:build faults

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/bench/checker"
	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

const streamName = "ledger"

// ledger is one stream, what was put into it, and what came back.
type ledger struct {
	checker *checker.Checker
	acked   atomic.Int64
	seen    atomic.Int64 // records, by readers during the load
	runs    atomic.Int64 // for keys that no two loads share
	large   int          // one of so many records is large; 0: none
}

// payload is the size of the next record.
func (l *ledger) payload() int {
	if l.large > 0 && rand.IntN(l.large) == 0 {
		return rand.IntN(256 << 10)
	}
	return 100 + rand.IntN(900)
}

func newLedger() *ledger { return &ledger{checker: checker.New(rand.Uint64())} }

// connect makes a client that never tries again: each put has one outcome.
func connect(t *testing.T, n *node) *client.Client {
	t.Helper()
	once := client.RetryPolicy{Attempts: 1, Base: time.Millisecond, Max: time.Millisecond}
	c, err := client.New(n.grpc, client.WithConnections(2), client.WithRetry(once))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func create(t *testing.T, n *node, shards int) {
	t.Helper()
	c := connect(t, n)
	if err := c.CreateStream(bounded(t), streamName, shards, 24); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitActive(bounded(t), streamName); err != nil {
		t.Fatal(err)
	}
}

// load puts from several goroutines until stopped or until puts fail, one after
// the other per key: a third single records, a third batches, a third batches
// over the AWS protocol. Meanwhile readers follow the stream.
type load struct {
	ledger           *ledger
	cancel           context.CancelFunc
	writers, readers sync.WaitGroup
	ended            chan struct{} // closed when no writer is left
}

func (l *ledger) load(t *testing.T, n *node, writers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ld := &load{ledger: l, cancel: cancel, ended: make(chan struct{})}
	c := connect(t, n)
	sdk := newSDK(t, n)
	round := l.runs.Add(1)
	for w := range writers {
		key := fmt.Sprintf("run-%d-writer-%d", round, w)
		put := l.putOne
		switch w % 3 {
		case 1:
			put = l.putMany
		case 2:
			put = func(ctx context.Context, _ *client.Client, key string) error { return l.putSDK(ctx, sdk, key) }
		}
		ld.writers.Go(func() {
			for ctx.Err() == nil && put(ctx, c, key) == nil {
			}
		})
	}
	go func() {
		ld.writers.Wait()
		close(ld.ended)
	}()
	for _, from := range []client.From{client.Horizon(), client.Latest()} {
		ld.readers.Go(func() { l.follow(ctx, c, from) })
	}
	return ld
}

// wait waits until every writer has met an error, because the node is gone or
// refuses puts.
func (ld *load) wait() {
	<-ld.ended
	ld.stop()
}

func (ld *load) stop() {
	ld.cancel()
	<-ld.ended
	ld.readers.Wait()
}

// until waits until so many more puts are acknowledged. It is false if the load
// ended before.
func (ld *load) until(t *testing.T, more int64) bool {
	t.Helper()
	end, deadline := ld.ledger.acked.Load()+more, time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ld.ledger.acked.Load() < end {
		select {
		case <-tick.C:
		case <-ld.ended:
			return false
		case <-deadline:
			t.Fatalf("%d of %d puts were acknowledged within a minute", more-(end-ld.ledger.acked.Load()), more)
		}
	}
	return true
}

// reach is until for a load that must not end before.
func (ld *load) reach(t *testing.T, n *node, more int64) {
	t.Helper()
	if !ld.until(t, more) {
		t.Fatalf("all writers gave up\n%s", n.log)
	}
}

// follow reads what is put until ctx ends: what it was served must be there ever
// after, acknowledged or not.
func (l *ledger) follow(ctx context.Context, c *client.Client, from client.From) {
	f, err := c.Follow(ctx, streamName, from)
	if err != nil {
		return // the node is gone already
	}
	defer f.Close()
	passes := map[string]*checker.Reader{}
	for {
		b, err := f.Next(ctx)
		if err != nil {
			return
		}
		if passes[b.Shard] == nil {
			index, err := stream.ParseShardName(b.Shard)
			if err != nil {
				return
			}
			passes[b.Shard] = l.checker.Reader(streamName, index)
		}
		for rec := range b.Records() {
			passes[b.Shard].Served(rec.Sequence, rec.ArrivedMs, rec.PartitionKey, rec.Data)
			l.seen.Add(1)
		}
	}
}

func (l *ledger) putOne(ctx context.Context, c *client.Client, key string) error {
	p := l.checker.Begin(streamName, key, l.payload())
	seq, err := c.Put(ctx, streamName, client.Record{PartitionKey: key, Data: p.Data})
	if err != nil {
		return err // it may be stored or not
	}
	p.Acked(seq)
	l.acked.Add(1)
	return nil
}

func (l *ledger) putMany(ctx context.Context, c *client.Client, key string) error {
	puts := make([]checker.Put, 1+rand.IntN(50))
	records := make([]client.Record, len(puts))
	for i := range puts {
		puts[i] = l.checker.Begin(streamName, key, l.payload())
		records[i] = client.Record{PartitionKey: key, Data: puts[i].Data}
	}
	results, err := c.PutMany(ctx, streamName, records)
	for i, r := range results {
		if r.Err == nil {
			puts[i].Acked(r.Sequence)
			l.acked.Add(1)
		}
	}
	return err
}

// read passes over all shards from their start. The error is a failed read: what
// was served is told to the checker in any case.
func (l *ledger) read(t *testing.T, n *node) error {
	t.Helper()
	ctx, c := bounded(t), connect(t, n)
	shards, err := c.ListShards(ctx, streamName, client.ShardFilter{})
	if err != nil {
		return fmt.Errorf("list shards: %w", err)
	}
	if err := tiled(shards); err != nil {
		return err
	}
	for _, s := range shards {
		if err := l.readShard(ctx, c, s); err != nil {
			return fmt.Errorf("read %s: %w", s.ID, err)
		}
	}
	return nil
}

func (l *ledger) readShard(ctx context.Context, c *client.Client, s client.ShardInfo) error {
	r := l.checker.Reader(streamName, s.Index)
	iterator, err := c.Iterator(ctx, streamName, s.ID, client.Horizon())
	for err == nil && iterator != "" {
		var b *client.Batch
		var next string
		if b, next, err = c.Read(ctx, iterator, stream.MaxReadRecords); err != nil {
			break
		}
		for rec := range b.Records() {
			r.Served(rec.Sequence, rec.ArrivedMs, rec.PartitionKey, rec.Data)
		}
		if b.MillisBehind == 0 {
			break
		}
		iterator = next
	}
	if err == nil {
		r.Complete()
	}
	return err
}

// tiled tells whether the open shards share all hash keys out.
func tiled(shards []client.ShardInfo) error {
	at, open := stream.HashKey{}, map[stream.HashKey]client.ShardInfo{}
	for _, s := range shards {
		if !s.Closed {
			open[s.Range.Start] = s
		}
	}
	for range open {
		s, ok := open[at]
		if !ok {
			return fmt.Errorf("no open shard begins at %s", at)
		}
		if s.Range.End == stream.MaxHashKey {
			return nil
		}
		at = s.Range.End.Next()
	}
	return fmt.Errorf("the open shards end before %s", at)
}

// check reads everything back and compares it with what was put.
func (l *ledger) check(t *testing.T, n *node) error {
	t.Helper()
	if err := l.read(t, n); err != nil {
		return err
	}
	return l.checker.Check().Err()
}

// verify is check for what must be as it was put.
func (l *ledger) verify(t *testing.T, n *node) {
	t.Helper()
	if err := l.check(t, n); err != nil {
		t.Fatalf("%v\n%s", err, n.log)
	}
}

// report tells how much was put and read. A test in which nothing was proves
// nothing.
func (l *ledger) report(t *testing.T, format string, a ...any) {
	t.Helper()
	c := l.checker.Counts()
	t.Logf("%s; puts: %d acknowledged, %d of unknown outcome; %d records were served to readers meanwhile",
		fmt.Sprintf(format, a...), c.Acked, c.Unknown, l.seen.Load())
	if c.Acked == 0 || l.seen.Load() == 0 {
		t.Error("the load did not load")
	}
}
