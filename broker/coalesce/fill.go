package coalesce

import (
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// piece is consecutive records of one batch that went into one block.
type piece struct {
	call  *call
	batch int
	span  int // place in the batch's result
	count int

	records []stream.Record // until they are encoded
}

// block is the block of one shard that is being filled, and then in flight.
type block struct {
	shard  stream.ShardID
	class  uint8
	first  stream.Position
	pieces []piece
	count  int // of records
	size   int // encoded
}

// flight is an entry from its filling to its answer.
type flight struct {
	proposal Proposal
	began    time.Duration
	stamp    int64
	blocks   []block
	calls    []*call // whose records are read until the entry is encoded
	records  int
	bytes    int

	control *call // instead of blocks
}

// filler gathers the records of the next entry. Its map is used again.
type filler struct {
	byShard map[stream.ShardID]int
	size    int
	floor   int64 // the latest arrival floor of the shards
	f       *flight
}

// What an entry holds beside the records of a block: its key and lengths.
const blockOverhead = stream.BlockOverhead + 64

// fill takes records off the queue until the entry is full. Under the lock. It
// returns nil if it found only records to refuse.
func (c *Coalescer) fill() *flight {
	fl := &c.filler
	fl.begin()
	for {
		k := c.queue.peek()
		if k == nil || k.command != nil {
			break
		}
		if k.abandoned {
			c.queue.pop()
			c.refuse(k, errCancelled)
			continue
		}
		full := c.takeFrom(k)
		if k.taken() {
			c.queue.pop()
			if k.pieces == 0 { // everything was refused
				c.answer(k)
			}
		}
		if full {
			break
		}
	}
	if len(fl.f.blocks) == 0 {
		return nil
	}
	c.inFlight++
	return fl.f
}

func (fl *filler) begin() {
	if fl.byShard == nil {
		fl.byShard = map[stream.ShardID]int{}
	}
	clear(fl.byShard)
	fl.size, fl.floor = 0, 0
	fl.f = &flight{}
}

// takeFrom takes as much of a call as fits and tells whether the entry is full.
func (c *Coalescer) takeFrom(k *call) (full bool) {
	fl := &c.filler
	for !k.taken() {
		b := &k.batches[k.batch]
		if why := k.refused(); why != nil {
			k.refuseBatch(len(b.Records)-k.record, why)
			continue
		}
		at, state, why := c.blockOf(b.Shard)
		if why != nil {
			k.refuseBatch(len(b.Records)-k.record, why)
			continue
		}
		n, size := fl.room(at, b.Records[k.record:], c.cfg.EntryBytes)
		if n == 0 {
			return true
		}
		if at < 0 {
			at = fl.newBlock(state)
		}
		fl.take(k, at, n, size)
		if k.record += n; k.record < len(b.Records) {
			return true
		}
		k.record = 0
		k.batch++
		k.skipEmpty()
	}
	return fl.size >= c.cfg.EntryBytes
}

// blockOf finds the block of the shard in the entry; without one it returns -1
// and the shard's state, or why the shard takes no records.
func (c *Coalescer) blockOf(id stream.ShardID) (int, shardlog.ShardState, error) {
	if i, ok := c.filler.byShard[id]; ok {
		return i, shardlog.ShardState{}, nil
	}
	state, why := c.cfg.Machine.Accepts(id)
	return -1, state, why
}

// room tells how many of the records fit into the entry, and how many bytes of
// a block they are. An empty entry takes any first record, and then nothing else
// if that is over the bound.
func (fl *filler) room(at int, records []stream.Record, bound int) (n, bytes int) {
	free := bound - fl.size
	if at < 0 {
		free -= blockOverhead
	}
	for n := range records {
		size := records[n].Size() + stream.BlockRecordOverhead
		if bytes+size > free && (n > 0 || fl.size > 0) {
			return n, bytes
		}
		bytes += size
	}
	return len(records), bytes
}

func (fl *filler) take(k *call, at, n, size int) {
	p := k.take(n)
	p.records = k.batches[k.batch].Records[k.record : k.record+n]
	b := &fl.f.blocks[at]
	b.pieces = append(b.pieces, p)
	b.count += n
	b.size += size
	fl.size += size
	fl.f.records += n
	if !k.encoding {
		k.encoding = true
		fl.f.calls = append(fl.f.calls, k)
	}
}

func (fl *filler) newBlock(state shardlog.ShardState) int {
	at := len(fl.f.blocks)
	fl.floor = max(fl.floor, state.ArrivalFloorMs)
	fl.f.blocks = append(fl.f.blocks, block{
		shard: state.ID, class: shardlog.ClassOf(state.RetentionHours), size: stream.BlockOverhead,
	})
	fl.byShard[state.ID] = at
	fl.size += blockOverhead
	return at
}

// recordsOf returns the records of a block, good until the next call.
func (c *Coalescer) recordsOf(b *block) []stream.Record {
	if len(b.pieces) == 1 {
		return b.pieces[0].records
	}
	clear(c.scratch)
	c.scratch = c.scratch[:0]
	for _, p := range b.pieces {
		c.scratch = append(c.scratch, p.records...)
	}
	return c.scratch
}

// release lets go of the callers' records.
func (c *Coalescer) release(f *flight) {
	clear(c.scratch)
	for i := range f.blocks {
		for j := range f.blocks[i].pieces {
			f.blocks[i].pieces[j].records = nil
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range f.calls {
		k.encoding = false
		if k.abandoned {
			close(k.released)
			k.forget()
		}
	}
	f.calls = nil
}

// place gives the blocks their positions, stamp and segments. It returns the
// key of each block.
func (c *Coalescer) place(f *flight) []key.BlockKey {
	f.stamp = c.nextStamp(c.filler.floor)
	keys := make([]key.BlockKey, len(f.blocks))
	var rolled [3]bool
	for i := range f.blocks {
		b := &f.blocks[i]
		if !rolled[b.class] {
			c.roll(b.class, f.stamp)
			rolled[b.class] = true
		}
		seg := &c.tip.Current[b.class]
		b.first = c.tip.Next
		c.tip.Next += stream.Position(b.count)
		seg.Bytes += uint64(b.size)
		seg.Blocks++
		keys[i] = key.BlockKey{Group: c.cfg.Machine.Group(), Class: b.class, Segment: seg.Segment, Shard: b.shard, First: b.first}
	}
	return keys
}

// Segments are begun anew when they are full or, so that little data expires
// too in time, when they are this old.
var segmentAgeMs = [...]int64{
	shardlog.ClassDay:  2 * 3_600_000,
	shardlog.ClassWeek: 12 * 3_600_000,
	shardlog.ClassLong: 7 * 24 * 3_600_000,
}

// roll begins a new segment of a class if the current one is done.
func (c *Coalescer) roll(class uint8, stamp int64) {
	seg := &c.tip.Current[class]
	if seg.Blocks > 0 && seg.Bytes < c.tip.SegmentBytes && stamp-seg.FirstArrivalMs < segmentAgeMs[class] {
		return
	}
	id := shardlog.SegmentID{Class: class, Segment: seg.Segment + 1}
	*seg = shardlog.SegmentInfo{SegmentID: id, FirstArrivalMs: stamp}
}
