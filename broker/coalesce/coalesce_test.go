package coalesce

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// While entries are on their way, what arrives waits and then goes together.
func TestJoinsWhatArrivesMeanwhile(t *testing.T) {
	bubble(t, Config{InFlight: 1}, func(r *rig) {
		r.holding(true)
		first := r.start(r.Context(), batch(0, "a", 1, 10))
		var rest []*pending
		for range 20 {
			rest = append(rest, r.start(r.Context(), batch(0, "b", 1, 10), batch(1, "c", 2, 10)))
		}
		if log := r.log(); len(log) != 1 || log[0].records() != 1 {
			r.Fatalf("%d entries at first", len(log))
		}
		r.release(1)
		r.stored(first)
		synctest.Wait()
		log := r.log()
		if len(log) != 1 || log[0].records() != 60 || len(log[0].blocks) != 2 {
			r.Fatalf("then %d entries of %d records", len(log), log[0].records())
		}
		r.release(1)
		var last stream.Position
		for _, p := range rest { // positions follow the order of the calls, in each shard
			got := r.stored(p)
			if got[0][0] <= last {
				r.Fatalf("position %d after %d", got[0][0], last)
			}
			last = got[0][0]
		}
	})
}

func TestEntriesAreOnTheirWayTogether(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		a := r.start(r.Context(), batch(0, "a", 1, 10))
		b := r.start(r.Context(), batch(0, "b", 1, 10))
		c := r.start(r.Context(), batch(0, "c", 1, 10))
		if log := r.log(); len(log) != DefaultInFlight {
			r.Fatalf("%d entries in flight", len(log))
		}
		r.release(1)
		r.stored(a)
		if b.answered() || c.answered() {
			r.Fatal("answered before it was applied")
		}
	})
}

// An idle coalescer proposes at once: no timer adds to the latency.
func TestIdleMeansNoDelay(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		began := time.Now()
		for range 10 {
			r.stored(r.start(r.Context(), batch(0, "a", 1, 10)))
		}
		if took := time.Since(began); took != 0 {
			r.Fatalf("%v of waiting", took)
		}
	})
}

func TestAnEntryIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		batches []Batch
		records []int // of each entry
	}{
		"small ones of one shard":  {[]Batch{batch(0, "a", 1200, 1000)}, nil},
		"of many shards":           {[]Batch{batch(0, "a", 400, 1000), batch(1, "b", 400, 1000), batch(2, "c", 400, 1000)}, nil},
		"tiny ones":                {[]Batch{batch(0, "a", 60000, 1)}, nil},
		"one that is too large":    {[]Batch{batch(0, "a", 1, 9<<20)}, []int{1}},
		"large, small, large":      {[]Batch{batch(0, "a", 1, 1<<20), batch(1, "b", 1, 10), batch(2, "c", 1, 1<<20)}, []int{1, 1, 1}},
		"exactly the largest":      {[]Batch{batch(0, "a", 1, 10<<20-1)}, []int{1}},
		"two that just do not fit": {[]Batch{batch(0, "a", 2, 256<<10)}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(r *rig) {
				r.stored(r.start(r.Context(), c.batches...))
				log := r.log()
				for i, e := range log {
					if e.bytes > DefaultEntryBytes && e.records() != 1 {
						r.Errorf("entry of %d bytes holds %d records", e.bytes, e.records())
					}
					if c.records != nil && e.records() != c.records[i] {
						r.Errorf("entry %d holds %d records, want %d", i, e.records(), c.records[i])
					}
				}
				if c.records != nil && len(log) != len(c.records) {
					r.Errorf("%d entries, want %d", len(log), len(c.records))
				}
			})
		})
	}
	bubble(t, Config{}, func(r *rig) {
		_, err := r.c.Append(r.Context(), []Batch{batch(0, "a", 1, 10<<20)}) // with its key over 10 MiB
		wantCode(r.T, err, stream.CodeInvalidArgument)
	})
}

// Records of one shard keep their order within a call, through as many entries
// as it takes, and through calls made one after the other.
func TestOrderOfAShard(t *testing.T) {
	bubble(t, Config{EntryBytes: 1000}, func(r *rig) {
		p := r.start(r.Context(), batch(0, "a", 30, 100), Batch{}, batch(1, "b", 30, 100), batch(0, "c", 3, 100))
		got := r.stored(p)
		var last stream.Position
		for _, at := range append(got[0], got[3]...) {
			if at <= last {
				r.Fatalf("position %d after %d", at, last)
			}
			last = at
		}
		r.check("a", []uint32{0}, p.results[:1])
		r.check("b", []uint32{1}, p.results[2:3])
		if len(p.results[1].Spans) != 0 {
			r.Fatal("an empty batch has spans")
		}
	})
}

func TestAnEmptyCallIsAnswered(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		if res, err := r.c.Append(r.Context(), []Batch{{}, {Shard: shard(1)}}); err != nil || len(res) != 2 {
			r.Fatal(res, err)
		}
		if res, err := r.c.Append(r.Context(), nil); err != nil || len(res) != 0 {
			r.Fatal(res, err)
		}
	})
}

func TestStampsNeverGoBack(t *testing.T) {
	wall := time.Now()
	src := bubbleSource()
	src.Wall = func() time.Time { return wall }
	bubble(t, Config{Clock: NewClock(src)}, func(r *rig) {
		var last int64
		for i := range 20 {
			wall = wall.Add([]time.Duration{time.Hour, -2 * time.Hour, time.Millisecond, 0}[i%4])
			p := r.start(r.Context(), batch(0, "a", 1, 10))
			r.stored(p)
			ms := p.results[0].Spans[0].ArrivedMs
			if ms < last || r.c.NowMs() < ms {
				r.Fatalf("stamp %d after %d, now %d", ms, last, r.c.NowMs())
			}
			last = ms
		}
	})
}

func TestEverythingIsObserved(t *testing.T) {
	var seen Entry
	observe := func(e Entry) {
		seen.Records += e.Records
		seen.Blocks += e.Blocks
		seen.Bytes += e.Bytes
		seen.Took += e.Took
	}
	bubble(t, Config{Observe: observe}, func(r *rig) {
		r.holding(true)
		p := r.start(r.Context(), batch(0, "a", 3, 10), batch(1, "b", 1, 10))
		time.Sleep(5 * time.Millisecond) // of the bubble
		r.release(1)
		r.stored(p)
		synctest.Wait()
		if log := r.log(); seen.Records != 4 || seen.Blocks != 2 || seen.Bytes != log[0].bytes || seen.Took != 5*time.Millisecond {
			r.Fatalf("%+v", seen)
		}
	})
}

func TestReady(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		if err := r.c.Ready(r.Context()); err != nil || !r.c.Serving() {
			r.Fatal(err)
		}
		r.lead(false, 2)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := r.c.Ready(ctx); err == nil || r.c.Serving() {
			r.Fatal("ready without leading")
		}
		_, err := r.c.Append(r.Context(), []Batch{batch(0, "a", 1, 1)})
		wantCode(r.T, err, stream.CodeUnavailable)
		go r.lead(true, 3)
		if err := r.c.Ready(r.Context()); err != nil {
			r.Fatal(err)
		}
		r.stored(r.start(r.Context(), batch(0, "a", 1, 1)))
	})
}
