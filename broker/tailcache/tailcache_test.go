package tailcache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

func shard(i uint32) stream.ShardID { return stream.ShardID{Stream: 3, Index: i} }

// writer makes the blocks of a group as Apply does: positions go up, and each
// block knows the last position of its shard.
type writer struct {
	t    *testing.T
	next stream.Position
	last map[stream.ShardID]stream.Position
	all  map[stream.ShardID][]stream.Block // everything written
}

func newWriter(t *testing.T) *writer {
	return &writer{t: t, next: 1, last: map[stream.ShardID]stream.Position{}, all: map[stream.ShardID][]stream.Block{}}
}

// entry is one entry with a block of n records of size bytes for each shard.
func (w *writer) entry(ms int64, n, size int, shards ...uint32) Entry {
	w.t.Helper()
	var e Entry
	for _, i := range shards {
		records := make([]stream.Record, n)
		for j := range records {
			records[j] = stream.Record{PartitionKey: "k", Data: make([]byte, size)}
		}
		b, err := stream.ParseBlock(stream.AppendBlock(nil, stream.BlockHeader{First: w.next, ArrivedMs: ms}, records))
		if err != nil {
			w.t.Fatal(err)
		}
		id := shard(i)
		e.Items = append(e.Items, Item{Shard: id, Block: b, Before: w.last[id]})
		w.next = b.Last() + 1
		w.last[id] = b.Last()
		w.all[id] = append(w.all[id], b)
	}
	return e
}

func firsts(blocks []stream.Block) (out []stream.Position) {
	for _, b := range blocks {
		out = append(out, b.Header().First)
	}
	return out
}

const most = stream.MaxPosition

func TestReadsWhatWasAdded(t *testing.T) {
	w, c := newWriter(t), New(1<<20)
	c.Add(1, []Entry{w.entry(10, 3, 5, 0, 1), w.entry(20, 2, 5, 0), w.entry(30, 1, 5, 0)}) // shard 0 at 1-3, 7-8, 9
	c.Add(1, nil)
	for name, r := range map[string]struct {
		from, last     stream.Position
		floor          int64
		records, bytes int
		want           []stream.Position
	}{
		"all":                    {1, most, 0, 100, 1000, []stream.Position{1, 7, 9}},
		"from within a block":    {2, most, 0, 100, 1000, []stream.Position{1, 7, 9}},
		"from between blocks":    {4, most, 0, 100, 1000, []stream.Position{7, 9}},
		"from the end":           {10, most, 0, 100, 1000, nil},
		"so many records":        {1, most, 0, 4, 1000, []stream.Position{1, 7}},
		"of a part of the first": {3, most, 0, 2, 1000, []stream.Position{1, 7}},
		"at least one block":     {1, most, 0, 1, 1, []stream.Position{1}},
		"so many bytes":          {1, most, 0, 100, 19, []stream.Position{1, 7}},
		"what is published":      {1, 8, 0, 100, 1000, []stream.Position{1, 7}},
		"what has not expired":   {1, most, 15, 100, 1000, []stream.Position{7, 9}},
		"nothing left":           {1, most, 31, 100, 1000, nil},
		"no records":             {1, most, 0, 0, 1000, nil},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, hit := c.Read(1, shard(0), r.from, r.last, r.floor, r.records, r.bytes)
			if !hit || !slices.Equal(firsts(blocks), r.want) {
				t.Fatalf("%v, hit %v, want %v", firsts(blocks), hit, r.want)
			}
		})
	}
	for name, miss := range map[string]func() bool{
		"a shard without blocks": func() bool { _, hit := c.Read(1, shard(7), 1, most, 0, 1, 1); return hit },
		"another group":          func() bool { _, hit := c.Read(2, shard(0), 1, most, 0, 1, 1); return hit },
		"nothing is before it":   func() bool { _, hit := c.Read(1, shard(0), 0, most, 0, 1, 1); return hit },
	} {
		if miss() {
			t.Errorf("hit: %s", name)
		}
	}
	if s := c.Stats(); s.Hits != 12 || s.Misses != 3 || s.Entries != 3 {
		t.Errorf("%+v", s)
	}
}

// What went out is a miss; what is after it still hits.
func TestOldEntriesGoOut(t *testing.T) {
	w := newWriter(t)
	one := w.entry(0, 1, 100, 0).Items[0].Block
	w = newWriter(t)
	c := New(3 * int64(len(one.Encoded())+itemBytes))
	for range 10 {
		c.Add(1, []Entry{w.entry(0, 1, 100, 0)})
	}
	if s := c.Stats(); s.Entries != 3 || s.Bytes > c.max {
		t.Fatalf("%+v", s)
	}
	if _, hit := c.Read(1, shard(0), 7, most, 0, 9, 9); hit {
		t.Fatal("the cache claims to have what went out")
	}
	blocks, hit := c.Read(1, shard(0), 8, most, 0, 9, 9999)
	if !hit || !slices.Equal(firsts(blocks), []stream.Position{8, 9, 10}) {
		t.Fatal(firsts(blocks), hit)
	}
}

func TestTheNewestEntryStays(t *testing.T) {
	w, c := newWriter(t), New(10)
	for range 3 {
		c.Add(1, []Entry{w.entry(0, 1, 1000, 0)})
	}
	if blocks, hit := c.Read(1, shard(0), 3, most, 0, 1, 1); !hit || len(blocks) != 1 {
		t.Fatal("the newest entry went out")
	}
	if s := c.Stats(); s.Entries != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestBytesThatAnEntryKeeps(t *testing.T) {
	w, c := newWriter(t), New(1<<20)
	e := w.entry(0, 1, 10, 0, 1)
	e.Bytes = 5000 // of the buffer that its blocks lie in
	c.Add(1, []Entry{e})
	if s := c.Stats(); s.Bytes != 5000+2*itemBytes {
		t.Fatalf("%+v", s)
	}
}

// A block that does not follow the last one makes the cache forget what is
// before it: between them something is missing.
func TestAGapIsNotHidden(t *testing.T) {
	w, c := newWriter(t), New(1<<20)
	c.Add(1, []Entry{w.entry(0, 1, 10, 0)})
	w.entry(0, 1, 10, 0) // is not added
	c.Add(1, []Entry{w.entry(0, 1, 10, 0)})
	if _, hit := c.Read(1, shard(0), 1, most, 0, 9, 999); hit {
		t.Fatal("read over a gap")
	}
	if blocks, hit := c.Read(1, shard(0), 3, most, 0, 9, 999); !hit || len(blocks) != 1 {
		t.Fatal(firsts(blocks), hit)
	}
}

func TestDropShard(t *testing.T) {
	w, c := newWriter(t), New(1<<20)
	c.Add(1, []Entry{w.entry(0, 1, 10, 0, 1)})
	c.DropShard(1, shard(0))
	if _, hit := c.Read(1, shard(0), 1, most, 0, 9, 999); hit {
		t.Fatal("a dropped shard is read")
	}
	if _, hit := c.Read(1, shard(1), 2, most, 0, 9, 999); !hit {
		t.Fatal("another shard was dropped too")
	}
}

func TestDropGroup(t *testing.T) {
	c := New(1 << 20)
	for g := range uint32(2) {
		w := newWriter(t)
		for range 30 {
			c.Add(g, []Entry{w.entry(0, 1, 10, 0, 1)})
		}
	}
	c.DropGroup(0)
	if _, hit := c.Read(0, shard(0), 1, most, 0, 9, 999); hit {
		t.Fatal("a dropped group is read")
	}
	if blocks, hit := c.Read(1, shard(1), 2, most, 0, 99, 9999); !hit || len(blocks) != 30 {
		t.Fatal(len(blocks), hit)
	}
	c.DropGroup(1)
	if s := c.Stats(); s.Bytes != 0 || s.Entries != 0 || len(c.tails) != 0 {
		t.Fatalf("%+v, %d tails", s, len(c.tails))
	}
}

// Over any run of entries: what the cache gives is what was written, without a
// gap, and it stays within its bytes.
func TestAgainstAModel(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			w, c := newWriter(t), New(20_000)
			for ms := range int64(200) {
				var shards []uint32
				for i := range uint32(5) {
					if rnd.IntN(3) == 0 {
						shards = append(shards, i)
					}
				}
				c.Add(1, []Entry{w.entry(ms, 1+rnd.IntN(4), rnd.IntN(300), shards...)})
				if rnd.IntN(40) == 0 {
					c.DropShard(1, shard(uint32(rnd.IntN(5))))
				}
				if s := c.Stats(); s.Bytes > 20_000 && s.Entries > 1 {
					t.Fatalf("%+v", s)
				}
				compare(t, rnd, w, c)
			}
			if s := c.Stats(); s.Hits == 0 || s.Misses == 0 {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func compare(t *testing.T, rnd *rand.Rand, w *writer, c *Cache) {
	t.Helper()
	id := shard(uint32(rnd.IntN(5)))
	from := w.next - min(w.next, stream.Position(rnd.IntN(80)))
	floor := int64(rnd.IntN(200))
	blocks, hit := c.Read(1, id, from, most, floor, 1<<20, 1<<30)
	if !hit {
		return
	}
	var want []stream.Position
	for _, b := range w.all[id] {
		if b.Last() >= from && b.Header().ArrivedMs >= floor {
			want = append(want, b.Header().First)
		}
	}
	if !slices.Equal(firsts(blocks), want) {
		t.Fatalf("from %d, floor %d: %v, want %v", from, floor, firsts(blocks), want)
	}
}

// The queues of the cache do not grow with what has passed through them.
func TestMemoryIsBounded(t *testing.T) {
	w, c := newWriter(t), New(50_000)
	for i := range 20_000 {
		c.Add(1, []Entry{w.entry(0, 1, 1000, uint32(i%3))})
		w.all = map[stream.ShardID][]stream.Block{}
	}
	held := cap(c.fifo.elems)
	for _, tail := range c.tails {
		held += cap(tail.blocks.elems)
	}
	if len(c.tails) != 3 || held > 1000 {
		t.Fatalf("%d tails, room for %d", len(c.tails), held)
	}
	// What is not reached any more can be collected.
	for i := range c.fifo.head {
		if c.fifo.elems[i].items != nil {
			t.Fatal("an entry that went out is held")
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	c := New(10_000)
	var all sync.WaitGroup
	for g := range uint32(2) {
		all.Go(func() {
			w := newWriter(t)
			for range 500 {
				c.Add(g, []Entry{w.entry(0, 1, 100, 0, 1)})
			}
		})
		all.Go(func() {
			for i := range 500 {
				blocks, _ := c.Read(g, shard(1), stream.Position(2*i), most, 0, 10, 1000)
				for n := 1; n < len(blocks); n++ {
					if blocks[n].Header().First != blocks[n-1].Last()+2 {
						t.Error("a gap")
					}
				}
				if i%100 == 0 {
					c.DropShard(g, shard(0))
					c.Stats()
				}
			}
		})
	}
	all.Wait()
}
