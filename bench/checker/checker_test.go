package checker

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-io/runnel/stream"
	"pgregory.net/rapid"
)

// history is a log that keeps its promises, and a checker that is told of it.
// A test damages what is told.
type history struct {
	c      *Checker
	clock  int64
	shards []*shard
	next   stream.Position
}

type shard struct {
	index   uint32
	created int64
	records []record
}

type record struct {
	put       Put
	seq       stream.Sequence
	arrivedMs int64
	key       string
	data      []byte
}

func newHistory() *history {
	h := &history{c: New(7), next: 1}
	h.c.now = func() int64 { h.clock++; return h.clock }
	h.shards = []*shard{{index: 0, created: 100}, {index: 1, created: 100}}
	return h
}

const name = "orders"

// put stores one record, as if alone.
func (h *history) put(s int, key string) *record {
	sh := h.shards[s]
	r := h.store(sh, h.c.Begin(name, key, 40), key)
	r.put.Acked(r.seq)
	return r
}

// store gives the put's data a number.
func (h *history) store(sh *shard, p Put, key string) *record {
	seq := stream.Sequence{CreatedSec: sh.created, Position: h.next, ArrivedSec: 200, Shard: sh.index}
	h.next++
	sh.records = append(sh.records, record{put: p, seq: seq, arrivedMs: 200_000 + int64(h.next), key: key, data: p.Data})
	return &sh.records[len(sh.records)-1]
}

// read tells of one pass over each shard.
func (h *history) read() {
	for _, sh := range h.shards {
		h.pass(sh, sh.records).Complete()
	}
}

func (h *history) pass(sh *shard, records []record) *Reader {
	r := h.c.Reader(name, sh.index)
	for _, rec := range records {
		r.Served(rec.seq, rec.arrivedMs, rec.key, rec.data)
	}
	return r
}

func keys(n int) string { return string(rune('a' + n%7)) }

func fill(h *history, n int) {
	for i := range n {
		h.put(i%2, keys(i%2))
	}
}

// Concurrent puts, unknown outcomes, retries, refusals, partial passes and a
// reshard, all as they should be, are not complained about.
func TestAGoodLogPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory()
		for step := range rapid.IntRange(0, 60).Draw(t, "steps") {
			if step == 40 {
				h.shards = append(h.shards, &shard{index: 2, created: 101})
			}
			open := h.shards[:2]
			if len(h.shards) == 3 {
				open = h.shards[2:]
			}
			calls := make([]Put, rapid.IntRange(1, 4).Draw(t, "concurrent"))
			for i := range calls {
				calls[i] = h.c.Begin(name, "k", rapid.IntRange(0, 60).Draw(t, "size"))
			}
			rand.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
			// One key stays in one shard.
			for _, p := range calls {
				sh := open[0]
				switch rapid.SampledFrom([]string{"acked", "acked", "unknown", "unknown and stored", "refused", "twice"}).Draw(t, "outcome") {
				case "acked":
					p.Acked(h.store(sh, p, "k").seq)
				case "unknown and stored":
					h.store(sh, p, "k")
				case "refused":
					p.Refused()
				case "twice":
					h.store(sh, p, "k")
					p.Retried()
					p.Acked(h.store(sh, p, "k").seq)
				}
			}
		}
		for _, sh := range h.shards { // readers that came late or left early
			from := rapid.IntRange(0, len(sh.records)).Draw(t, "from")
			to := rapid.IntRange(from, len(sh.records)).Draw(t, "to")
			h.pass(sh, sh.records[from:to])
		}
		h.read()
		if err := h.c.Check().Err(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEveryViolationIsFound(t *testing.T) {
	swap := func(s []record, i, j int) { s[i], s[j] = s[j], s[i] }
	for _, test := range []struct {
		name string
		want Kind
		also []Kind // what else follows from it
		do   func(h *history)
	}{
		{"a record in the middle is lost", Lost, nil, func(h *history) {
			h.shards[0].records = slices.Delete(h.shards[0].records, 3, 4)
			h.read()
		}},
		{"the last record is lost", Lost, nil, func(h *history) {
			s := h.shards[0]
			s.records = s.records[:len(s.records)-1]
			h.read()
		}},
		{"a whole shard is lost", Lost, nil, func(h *history) {
			h.shards[1].records = nil
			h.read()
		}},
		{"a shard was not read", Unread, nil, func(h *history) {
			h.pass(h.shards[0], h.shards[0].records).Complete()
		}},
		{"a shard was not read to its end", Unread, nil, func(h *history) {
			h.read()
			h.put(0, "a")
		}},
		{"a complete pass was under way during a put", Unread, nil, func(h *history) {
			r := h.c.Reader(name, 0)
			h.put(0, "a")
			for _, rec := range h.shards[0].records[:10] {
				r.Served(rec.seq, rec.arrivedMs, rec.key, rec.data)
			}
			r.Complete()
			h.pass(h.shards[1], h.shards[1].records).Complete()
		}},
		{"one reader misses what another has", Gap, nil, func(h *history) {
			h.read()
			h.pass(h.shards[0], slices.Delete(slices.Clone(h.shards[0].records), 4, 5))
		}},
		{"one complete reader stops early", Vanished, nil, func(h *history) {
			h.read()
			s := h.shards[0].records
			h.pass(h.shards[0], s[:len(s)-1]).Complete()
		}},
		{"one complete reader starts late", Gap, nil, func(h *history) {
			h.read()
			h.pass(h.shards[0], h.shards[0].records[1:]).Complete()
		}},
		{"a record of unknown outcome is served and then gone", Vanished, nil, func(h *history) {
			s := h.shards[0]
			h.store(s, h.c.Begin(name, "a", 40), "a")
			h.pass(s, s.records)
			s.records = s.records[:len(s.records)-1]
			h.read()
		}},
		{"a record of unknown outcome is served, then gone from among others", Gap, nil, func(h *history) {
			s := h.shards[0]
			h.store(s, h.c.Begin(name, "a", 40), "a")
			h.pass(s, s.records)
			s.records = s.records[:len(s.records)-1]
			h.put(0, "a")
			h.read()
		}},
		{"records change places on the way", NotRising, []Kind{Gap, BackInTime, Reordered}, func(h *history) {
			swap(h.shards[0].records, 2, 3)
			h.read()
		}},
		{"a record is served twice", NotRising, nil, func(h *history) {
			s := h.shards[0]
			s.records = slices.Insert(s.records, 3, s.records[2])
			h.read()
		}},
		{"a record is stored twice", Duplicated, []Kind{Reordered}, func(h *history) {
			s := h.shards[0]
			first := s.records[2]
			h.store(s, first.put, first.key)
			h.read()
		}},
		{"a retried record is stored three times", Duplicated, []Kind{Reordered}, func(h *history) {
			s := h.shards[0]
			first := s.records[2]
			first.put.Retried()
			h.store(s, first.put, first.key)
			h.store(s, first.put, first.key)
			h.read()
		}},
		{"a record is stored in another shard too", Duplicated, []Kind{Reordered}, func(h *history) {
			first := h.shards[0].records[2]
			h.store(h.shards[1], first.put, first.key)
			h.read()
		}},
		{"a bit flips", Changed, []Kind{Lost}, func(h *history) {
			r := &h.shards[0].records[2]
			r.data = slices.Clone(r.data)
			r.data[len(r.data)-1] ^= 4
			h.read()
		}},
		{"a byte is missing", Changed, []Kind{Lost}, func(h *history) {
			r := &h.shards[0].records[2]
			r.data = r.data[:len(r.data)-1]
			h.read()
		}},
		{"the key changes", Changed, []Kind{Lost}, func(h *history) {
			h.shards[0].records[2].key += "x"
			h.read()
		}},
		{"a record is served by another stream", Changed, nil, func(h *history) {
			h.read()
			r := h.shards[0].records[2]
			h.c.Reader("other", 0).Served(r.seq, 0, r.key, r.data)
		}},
		{"a bit of the id flips", Invented, []Kind{Lost}, func(h *history) {
			r := &h.shards[0].records[2]
			r.data = slices.Clone(r.data)
			r.data[7] ^= 1
			h.read()
		}},
		{"a record nobody put", Invented, nil, func(h *history) {
			r := h.store(h.shards[0], Put{}, "k")
			r.data = []byte("something else that is longer than sixteen bytes")
			h.read()
		}},
		{"an empty record", Invented, nil, func(h *history) {
			h.store(h.shards[0], Put{}, "k").data = nil
			h.read()
		}},
		{"a payload of a put that never was", Invented, nil, func(h *history) {
			h.store(h.shards[0], Put{}, "k").data = payload(7, 1_000_000, 40)
			h.read()
		}},
		{"a refused record is served", Resurrected, nil, func(h *history) {
			p := h.c.Begin(name, "k", 40)
			h.store(h.shards[0], p, "k")
			p.Refused()
			h.read()
		}},
		{"acknowledged at another number", Moved, nil, func(h *history) {
			p := h.c.Begin(name, "k", 40)
			seq := h.store(h.shards[0], p, "k").seq
			seq.Position += 100
			p.Acked(seq)
			h.read()
		}},
		{"acknowledged in another shard", Moved, nil, func(h *history) {
			p := h.c.Begin(name, "k", 40)
			seq := h.store(h.shards[0], p, "k").seq
			seq.Shard = 1
			p.Acked(seq)
			h.read()
		}},
		{"one number acknowledged twice", TwoValues, []Kind{Lost}, func(h *history) {
			h.c.Begin(name, "k", 40).Acked(h.shards[0].records[2].seq)
			h.read()
		}},
		{"one number has two values", TwoValues, []Kind{Moved, Duplicated, Lost, Reordered}, func(h *history) {
			h.read()
			again := slices.Clone(h.shards[0].records)
			again[2].data, again[2].key = again[3].data, again[3].key
			h.pass(h.shards[0], again)
		}},
		{"acknowledged before, numbered after", Reordered, nil, func(h *history) {
			first, second := h.c.Begin(name, "a", 40), h.c.Begin(name, "a", 40)
			later := h.next + 1
			first.Acked(stream.Sequence{CreatedSec: 100, Position: later})
			third := h.c.Begin(name, "a", 40)
			r := h.store(h.shards[0], third, "a")
			third.Acked(r.seq)
			h.store(h.shards[0], first, "a")
			second.Refused()
			h.read()
		}},
		{"a put of unknown outcome is stored before it began", Reordered, nil, func(h *history) {
			first := h.c.Begin(name, "a", 40)
			first.Acked(stream.Sequence{CreatedSec: 100, Position: h.next + 1})
			h.store(h.shards[0], h.c.Begin(name, "a", 40), "a")
			h.store(h.shards[0], first, "a")
			h.read()
		}},
		{"a child takes a record before its parent does", Reordered, nil, func(h *history) {
			child := &shard{index: 2, created: 101}
			h.shards = append(h.shards, child)
			h.put(2, "moving")
			h.put(0, "moving")
			h.read()
		}},
		{"a record in a shard that its number does not name", Misplaced, []Kind{Lost}, func(h *history) {
			h.shards[0].records[2].seq.Shard = 1
			h.read()
		}},
		{"arrivals go back", BackInTime, nil, func(h *history) {
			h.shards[0].records[2].arrivedMs -= 100_000
			h.read()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHistory()
			fill(h, 20)
			test.do(h)
			report := h.c.Check()
			if report.Violations[test.want] == 0 {
				t.Errorf("%s was not found: %v", test.want, report.Err())
			}
			if report.Err() == nil || !strings.Contains(report.Err().Error(), string(test.want)) {
				t.Errorf("the error does not tell: %v", report.Err())
			}
			for kind := range report.Violations {
				if kind != test.want && !slices.Contains(test.also, kind) {
					t.Errorf("found too: %s", kind)
				}
			}
		})
	}
}

func TestCounts(t *testing.T) {
	c := New(1)
	c.Begin(name, "a", 40).Acked(stream.Sequence{Position: 1})
	c.Begin(name, "a", 40).Refused()
	c.Begin(name, "a", 40)
	c.Begin(name, "a", 40)
	if got, want := c.Counts(), (Counts{Acked: 1, Refused: 1, Unknown: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTimesAreReal(t *testing.T) {
	c := New(1)
	c.Begin(name, "a", 40).Acked(stream.Sequence{Position: 1})
	p := c.puts[0]
	if p.begun < 0 || p.ended < p.begun || p.ended > int64(time.Since(c.started)) {
		t.Errorf("begun at %d, ended at %d", p.begun, p.ended)
	}
}

func FuzzPayloadID(f *testing.F) {
	f.Add(payload(7, 3, 40))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, ok := payloadID(7, b)
		if ok && len(b) == MinPayload && !intact(7, id, b) {
			t.Errorf("%x has a good tag but is not payload %d", b, id)
		}
	})
}

// A million puts are checked in about a second: the check must not be what takes
// the time of a fault test.
func BenchmarkCheck(b *testing.B) {
	h := newHistory()
	for i := range 200_000 {
		h.put(i%2, "k")
	}
	h.read()
	b.ResetTimer()
	for b.Loop() {
		if err := h.c.Check().Err(); err != nil {
			b.Fatal(err)
		}
	}
}
