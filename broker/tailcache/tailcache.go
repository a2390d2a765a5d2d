// Package tailcache holds the newest blocks of all shards of a node in memory,
// up to a number of bytes, so that readers at the tail do not touch the store.
//
// Entries go in as they are applied and out in the same order, whole: their
// blocks share one buffer, and only when all are gone is the memory free. What
// a reader holds on to is its own affair.
//
// It is not a cache of what was read: nothing is put in by reading. Any
// goroutine may call any method.
package tailcache

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/runnel-io/runnel/stream"
)

// Item is one block of an entry.
type Item struct {
	Shard  stream.ShardID
	Block  stream.Block
	Before stream.Position // the shard's last position before the block: between the two is nothing
}

// Entry is the blocks of one log entry. Bytes is what they keep in memory; 0
// means as much as the blocks are long.
type Entry struct {
	Items []Item
	Bytes int64
}

// itemBytes is what the cache itself keeps for a block, about.
const itemBytes = 160

// Stats are the counters of a cache.
type Stats struct {
	Bytes, Entries int64
	Hits, Misses   uint64
}

// Cache is a tail cache. Make one with New.
type Cache struct {
	max          int64
	hits, misses atomic.Uint64

	mu    sync.Mutex
	used  int64
	fifo  queue[held]
	tails map[id]*tail
}

type id struct {
	group uint32
	shard stream.ShardID
}

type held struct {
	group uint32
	bytes int64
	items []Item
}

// tail is the newest blocks of one shard, without a gap between them.
type tail struct{ blocks queue[Item] }

// New makes a cache that keeps at most maxBytes, and always the newest entry.
func New(maxBytes int64) *Cache {
	return &Cache{max: maxBytes, tails: map[id]*tail{}}
}

// Add puts entries of a group in, oldest first. The items are the cache's from
// then on.
func (c *Cache) Add(group uint32, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		h := held{group: group, bytes: e.Bytes, items: e.Items}
		for _, it := range e.Items {
			if e.Bytes == 0 {
				h.bytes += int64(len(it.Block.Encoded()))
			}
			h.bytes += itemBytes
			c.append(id{group, it.Shard}, it)
		}
		c.fifo.push(h)
		c.used += h.bytes
	}
	for c.used > c.max && c.fifo.len() > 1 {
		c.evict()
	}
}

func (c *Cache) append(k id, it Item) {
	t := c.tails[k]
	if t == nil {
		t = &tail{}
		c.tails[k] = t
	}
	if n := t.blocks.len(); n > 0 && t.blocks.at(n-1).Block.Last() != it.Before {
		t.blocks = queue[Item]{} // something is missing between
	}
	t.blocks.push(it)
}

func (c *Cache) evict() {
	h := c.fifo.pop()
	c.used -= h.bytes
	for _, it := range h.items {
		k := id{h.group, it.Shard}
		t := c.tails[k]
		if t == nil {
			continue
		}
		if t.blocks.len() > 0 && t.blocks.at(0).Block.Header().First == it.Block.Header().First {
			t.blocks.pop()
		}
		if t.blocks.len() == 0 {
			delete(c.tails, k)
		}
	}
}

// Read returns blocks of the shard that hold records from position from on, up
// to position last, and that arrived at or after floorMs, about maxRecords and
// maxBytes of them but at least one block if there is one. hit is false if the
// cache does not reach back to from.
func (c *Cache) Read(group uint32, shard stream.ShardID, from, last stream.Position, floorMs int64, maxRecords, maxBytes int) (blocks []stream.Block, hit bool) {
	defer func() {
		if hit {
			c.hits.Add(1)
		} else {
			c.misses.Add(1)
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tails[id{group, shard}]
	if t == nil || from <= t.blocks.at(0).Before {
		return nil, false
	}
	q := &t.blocks
	i := sort.Search(q.len(), func(i int) bool {
		b := q.at(i).Block
		return b.Last() >= from && b.Header().ArrivedMs >= floorMs
	})
	for ; i < q.len() && maxRecords > 0 && maxBytes > 0; i++ {
		b := q.at(i).Block
		h := b.Header()
		if h.First > last {
			break
		}
		blocks = append(blocks, b)
		maxRecords -= int(h.Count)
		if h.First < from {
			maxRecords += int(from - h.First)
		}
		maxBytes -= int(h.Bytes)
	}
	return blocks, true
}

// DropShard forgets the blocks of a shard. Their memory goes with their entries.
func (c *Cache) DropShard(group uint32, shard stream.ShardID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tails, id{group, shard})
}

// DropGroup forgets the blocks of a group.
func (c *Cache) DropGroup(group uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.tails {
		if k.group == group {
			delete(c.tails, k)
		}
	}
	var rest queue[held]
	for c.fifo.len() > 0 {
		if h := c.fifo.pop(); h.group != group {
			rest.push(h)
		} else {
			c.used -= h.bytes
		}
	}
	c.fifo = rest
}

// Stats tells the cache's counters.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Bytes: c.used, Entries: int64(c.fifo.len()), Hits: c.hits.Load(), Misses: c.misses.Load()}
}
