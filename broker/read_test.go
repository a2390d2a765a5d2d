package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// still is a clock that only the test moves.
type still struct {
	clock
	began time.Time
}

func newStill() *still { return &still{began: time.Now()} }

func (s *still) Now() time.Time { return s.began.Add(time.Duration(s.ahead.Load())) }

// config takes time from the clock alone, so that no time passes by itself.
func (s *still) config() Config {
	return Config{Now: s.Now, elapsed: func() time.Duration { return time.Hour + time.Duration(s.ahead.Load()) }}
}

// A read of 10 MiB is allowed at once and paid for by the reads after it.
func TestReadsPayTheirDebt(t *testing.T) {
	c := newStill()
	cfg := c.config()
	cfg.Quotas = true
	n := startNode(t, storage.NewCrashableMem(), cfg)
	n.create("s", 1)
	for range 12 {
		c.advance(time.Second)
		if r, err := n.Put(testContext(t), "s", []PutRecord{{PartitionKey: "k", Data: make([]byte, 1<<20-1)}}); err != nil || r[0].Err != nil {
			t.Fatal(err, r)
		}
	}
	c.advance(time.Minute)
	token := n.iterator("s", 0, From{Kind: TrimHorizon})
	res, err := n.Read(testContext(t), token, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	records, bytes := 0, 0
	for _, r := range res.Records() {
		records++
		bytes += r.Size()
	}
	if records != 10 || bytes != 10<<20 || res.MillisBehind == 0 {
		t.Fatalf("%d records, %d bytes, %d ms behind", records, bytes, res.MillisBehind)
	}
	throttled := func(after time.Duration) {
		t.Helper()
		c.advance(after)
		_, err := n.Read(testContext(t), res.NextToken, 10_000)
		wantError(t, err, stream.CodeThroughputExceeded, "Rate exceeded for Shard - 000000000000/s/shardId-000000000000")
	}
	throttled(0)
	throttled(4999 * time.Millisecond)
	c.advance(time.Millisecond)
	if res, err = n.Read(testContext(t), res.NextToken, 10_000); err != nil || res.MillisBehind != 0 {
		t.Fatal(err)
	}
	for _, st := range n.ShardStats() {
		if st.ReadThrottles != 2 || st.OutRecords != 12 {
			t.Fatalf("%+v", st)
		}
	}
}

func TestReadCallsHaveARate(t *testing.T) {
	c := newStill()
	cfg := c.config()
	cfg.Quotas = true
	n := startNode(t, storage.NewCrashableMem(), cfg)
	n.create("s", 1)
	token := n.iterator("s", 0, From{Kind: TrimHorizon})
	for i := range 7 {
		if _, err := n.Read(testContext(t), token, 1); (err == nil) != (i < 5) {
			t.Fatalf("read %d: %v", i, err)
		}
	}
	for i := range 6 { // one was made above
		if _, err := n.Iterator(testContext(t), "s", "0", From{Kind: Latest}); (err == nil) != (i < 4) {
			t.Fatalf("iterator %d: %v", i, err)
		}
	}
	c.advance(time.Second)
	if _, err := n.Read(testContext(t), token, 1); err != nil {
		t.Fatal(err)
	}
}

// A record is there to the last moment of its retention and not a moment longer,
// whether it is still on disk or not.
func TestRetentionIsExact(t *testing.T) {
	c := newStill()
	n := startNode(t, storage.NewCrashableMem(), c.config())
	n.create("s", 1)
	for i := range 3 {
		n.put("s", "k", fmt.Sprint(i))
		c.advance(time.Minute)
	}
	c.advance(-3 * time.Minute)
	for _, step := range []struct {
		advance time.Duration
		want    string
	}{
		{24 * time.Hour, "012"},
		{time.Millisecond, "12"},
		{time.Minute - time.Millisecond, "12"},
		{time.Millisecond, "2"},
		{time.Minute - time.Millisecond, "2"},
		{time.Millisecond, ""},
	} {
		c.advance(step.advance)
		records, _ := n.readShard(n.iterator("s", 0, From{Kind: TrimHorizon}))
		if got := texts(records); got != step.want {
			t.Fatalf("read %q, want %q", got, step.want)
		}
	}
}

// Stamps that ran ahead of a wall that was put right do not hide records early.
func TestRetentionAfterTheWallWasSetBack(t *testing.T) {
	c := newStill()
	cfg := c.config()
	elapsed := time.Hour
	cfg.elapsed = func() time.Duration { return elapsed }
	n := startNode(t, storage.NewCrashableMem(), cfg)
	n.create("s", 1)
	n.put("s", "k", "1")
	c.advance(-6 * time.Hour) // it was six hours ahead
	for range 24 {
		c.advance(time.Hour)
		elapsed += time.Hour
		if records, _ := n.readShard(n.iterator("s", 0, From{Kind: TrimHorizon})); len(records) != 1 {
			t.Fatalf("hidden after %v", elapsed-time.Hour)
		}
	}
}

func TestIterators(t *testing.T) {
	c := newStill()
	n := startNode(t, storage.NewCrashableMem(), c.config())
	n.create("s", 2)
	key := "k"
	var results []PutResult
	var times []int64
	for i := range 4 {
		times = append(times, c.Now().UnixMilli())
		results = append(results, n.put("s", key, fmt.Sprint(i))...)
		c.advance(time.Minute)
	}
	shard := results[0].Shard
	seq := func(i int) string { return results[i].Sequence.String() }
	for name, f := range map[string]struct {
		from From
		want string
	}{
		"at":              {From{Kind: AtSequence, Sequence: seq(1)}, "123"},
		"after":           {From{Kind: AfterSequence, Sequence: seq(1)}, "23"},
		"horizon":         {From{Kind: TrimHorizon}, "0123"},
		"latest":          {From{Kind: Latest}, ""},
		"at a time":       {From{Kind: AtTimestamp, TimestampMs: times[2]}, "23"},
		"after a time":    {From{Kind: AtTimestamp, TimestampMs: times[2] + 1}, "3"},
		"before all":      {From{Kind: AtTimestamp, TimestampMs: 0}, "0123"},
		"at the end":      {From{Kind: AtTimestamp, TimestampMs: times[3] + 1}, ""},
		"at a position":   {From{Kind: AtPosition, Position: results[2].Sequence.Position}, "23"},
		"at position 0":   {From{Kind: AtPosition}, "0123"},
		"at the opening":  {From{Kind: AtSequence, Sequence: n.shards("s", ShardFilter{})[shard].Start.String()}, "0123"},
		"after the start": {From{Kind: AfterSequence, Sequence: n.shards("s", ShardFilter{})[shard].Start.String()}, "0123"},
	} {
		records, _ := n.readShard(n.iterator("s", shard, f.from))
		if got := texts(records); got != f.want {
			t.Errorf("%s: read %q, want %q", name, got, f.want)
		}
	}
	for name, f := range map[string]struct {
		from From
		text string
	}{
		"no number":       {From{Kind: AtSequence}, "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber"},
		"a number":        {From{Kind: Latest, Sequence: "1"}, "Request specified LATEST and also a StartingSequenceNumber"},
		"no time":         {From{Kind: AtTimestamp, NoTimestamp: true}, "Must specify timestampInMillis"},
		"the future":      {From{Kind: AtTimestamp, TimestampMs: c.Now().Add(time.Hour).UnixMilli()}, "cannot be greater"},
		"no kind":         {From{}, "Must either specify"},
		"nonsense":        {From{Kind: AtSequence, Sequence: "12345"}, "is invalid."},
		"another shard's": {From{Kind: AtSequence, Sequence: n.shards("s", ShardFilter{})[1-shard].Start.String()}, "It encodes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := n.Iterator(testContext(t), "s", stream.ShardName(shard), f.from)
			wantCode(t, err, stream.CodeInvalidArgument, f.text)
		})
	}
	token := n.iterator("s", shard, From{Kind: TrimHorizon})
	_, err := n.Read(testContext(t), token+"x", 1)
	wantCode(t, err, stream.CodeInvalidArgument, "Invalid ShardIterator.")
	_, err = n.Read(testContext(t), token, 0)
	wantCode(t, err, stream.CodeValidation, "1 to 10000")
	c.advance(301 * time.Second)
	_, err = n.Read(testContext(t), token, 1)
	wantCode(t, err, stream.CodeExpiredIterator, "tolerated delay of 300000 milliseconds")
}

// next calls Next with a deadline and returns the texts of the event.
func next(t *testing.T, s *Subscription, maxBytes int) (SubscriptionEvent, string) {
	t.Helper()
	e, err := s.Next(testContext(t), maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, r := range e.Records() {
		all += string(r.Data)
	}
	return e, all
}

func TestSubscription(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("s", 1)
	s, err := n.Subscribe(testContext(t), "s", "shardId-000000000000", From{Kind: TrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ended, 1000); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		_, text := next(t, s, 1<<20)
		got <- text
	}()
	first := n.put("s", "a", "1")[0].Sequence
	if text := <-got; text != "1" {
		t.Fatal(text)
	}
	n.put("s", "a", "2", "a", "3")
	n.put("s", "a", "4")
	e, text := next(t, s, 1)
	if text != "23" || e.MillisBehind == 0 || e.Ended || e.Next != first.Position+3 || e.Continuation.Position != first.Position+2 {
		t.Fatalf("%q %+v", text, e)
	}
	if e, text = next(t, s, 1<<20); text != "4" || e.MillisBehind != 0 {
		t.Fatalf("%q %+v", text, e)
	}
	if err := n.SplitShard(testContext(t), "s", "0", stream.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e, text = next(t, s, 1); text != "" || !e.Ended || len(e.Children) != 2 {
			t.Fatalf("%q %+v", text, e)
		}
	}
	// It goes on elsewhere with what it was told.
	again, err := n.Subscribe(testContext(t), "s", "0", From{Kind: AfterSequence, Sequence: first.String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, text = next(t, again, 1<<20); text != "234" {
		t.Fatal(text)
	}
	again.Close()
	if _, err := again.Next(testContext(t), 1); err == nil {
		t.Fatal("a closed subscription goes on")
	}
}

// Who waits is woken when there is nothing more to wait for.
func TestSubscriptionsEnd(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("gone", 1)
	n.create("left", 1)
	wait := func(name string) chan error {
		s, err := n.Subscribe(testContext(t), name, "0", From{Kind: Latest})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := s.Next(testContext(t), 1)
			ended <- err
		}()
		return ended
	}
	gone, left := wait("gone"), wait("left")
	if err := n.DeleteStream(testContext(t), "gone", false); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-gone, stream.CodeNotFound, "Shard shardId-000000000000 in stream gone")
	n.stop()
	wantCode(t, <-left, stream.CodeUnavailable, "stopping")
	_, err := n.Subscribe(t.Context(), "left", "0", From{Kind: Latest})
	wantCode(t, err, stream.CodeUnavailable, "stopping")
}
