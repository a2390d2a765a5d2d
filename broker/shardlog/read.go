package shardlog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// Read returns blocks of the shard that hold records at or after from and that
// arrived at or after floorMs, in order and without a gap: at least one record
// if there is one, and about maxRecords and maxBytes at most. Blocks are whole:
// the first may begin before from and the last may run over the bounds, which
// the caller trims. next is where to go on.
//
// The blocks are shared and must not be changed. Errors: CodeNotFound for an
// unknown shard, CodeCorrupt for a block that fails its checksum.
func (m *Machine) Read(id stream.ShardID, from stream.Position, floorMs int64, maxRecords, maxBytes int) (blocks []stream.Block, next stream.Position, err error) {
	s, ok := m.Shard(id)
	if !ok || s.Phase == Deleting {
		return nil, from, errUnknownShard(id)
	}
	from = max(from, 1)
	floorMs = max(floorMs, s.FloorMs)
	if from > s.LastPosition {
		return nil, from, nil
	}
	if s.LastArrivalMs < floorMs {
		return nil, s.LastPosition + 1, nil
	}
	limit := limit{from: from, floorMs: floorMs, last: s.LastPosition, records: maxRecords, bytes: maxBytes}
	blocks, hit := m.cache.Read(m.group, id, from, s.LastPosition, floorMs, maxRecords, maxBytes)
	if !hit {
		if blocks, err = m.readStore(id, limit); err != nil {
			return nil, from, err
		}
	}
	if len(blocks) == 0 {
		return nil, s.LastPosition + 1, nil
	}
	return blocks, blocks[len(blocks)-1].Last() + 1, nil
}

// SeekTime finds the first position of the shard whose record arrived at or
// after ms and has not been hidden by a change of retention; the position after
// the last record if there is none.
func (m *Machine) SeekTime(id stream.ShardID, ms int64) (stream.Position, error) {
	s, ok := m.Shard(id)
	if !ok || s.Phase == Deleting {
		return 0, errUnknownShard(id)
	}
	ms = max(ms, s.FloorMs)
	if s.LastPosition == 0 || s.LastArrivalMs < ms {
		return s.LastPosition + 1, nil
	}
	blocks, err := m.readStore(id, limit{from: 1, floorMs: ms, last: s.LastPosition, records: 1, bytes: 1})
	if err != nil {
		return 0, err
	}
	if len(blocks) == 0 {
		return s.LastPosition + 1, nil
	}
	return blocks[0].Header().First, nil
}

// limit says which blocks a read is after.
type limit struct {
	from, last     stream.Position // last is the last published position
	floorMs        int64
	records, bytes int
}

// full counts a block and tells whether the read has enough.
func (l *limit) full(b stream.Block) bool {
	h := b.Header()
	n := int(h.Count)
	if h.First < l.from {
		n -= int(l.from - h.First)
	}
	l.records -= n
	l.bytes -= int(h.Bytes)
	return l.records <= 0 || l.bytes <= 0
}

// readStore reads blocks from the store: one seek finds the run of blocks that
// holds the position, one the block in it.
func (m *Machine) readStore(id stream.ShardID, l limit) (blocks []stream.Block, err error) {
	m.reads <- struct{}{}
	defer func() { <-m.reads }()
	runs, err := m.openRuns(id, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, runs.close()) }()
	for ok, err := runs.locate(l.from, l.floorMs); ok || err != nil; ok, err = runs.next() {
		if err != nil {
			return nil, err
		}
		var full bool
		if blocks, full, err = m.readRun(id, runs.current, runs.end, &l, blocks); err != nil || full {
			return blocks, err
		}
	}
	return blocks, nil
}

// readRun adds the blocks of one run, which ends before position end.
func (m *Machine) readRun(id stream.ShardID, x run, end stream.Position, l *limit, blocks []stream.Block) (_ []stream.Block, full bool, err error) {
	k := key.BlockKey{Group: m.group, Class: x.segment.Class, Segment: x.segment.Segment, Shard: id, First: x.first}
	lo := k.Append(nil)
	k.First = end
	hi := k.Append(nil)
	it, err := m.store.NewIter(lo, hi)
	if err != nil {
		return nil, false, m.readError(id, x, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	c := cursor{m: m, it: it, key: k}
	ok := c.seek(l.from)
	if ok && c.skipTo(l.floorMs, end) {
		for ok = true; ok; ok = c.next() {
			blocks = append(blocks, c.block)
			if l.full(c.block) {
				return blocks, true, nil
			}
		}
	}
	if c.err == nil {
		c.err = m.readError(id, x, it.Error())
	}
	return blocks, false, c.err
}

// cursor walks the blocks of one run and checks each.
type cursor struct {
	m     *Machine
	it    *storage.Iter
	key   key.BlockKey
	buf   []byte
	block stream.Block
	err   error
}

// seek goes to the block that holds position p, or to the first after it.
func (c *cursor) seek(p stream.Position) bool {
	if c.it.SeekLT(c.at(p+1)) && c.load() && c.block.Last() >= p {
		return true
	}
	if c.err != nil {
		return false
	}
	return c.seekGE(p)
}

func (c *cursor) seekGE(p stream.Position) bool { return c.it.SeekGE(c.at(p)) && c.load() }

func (c *cursor) next() bool { return c.it.Next() && c.load() }

func (c *cursor) at(p stream.Position) []byte {
	c.key.First = p
	c.buf = c.key.Append(c.buf[:0])
	return c.buf
}

// load copies and checks the block under the iterator.
func (c *cursor) load() bool {
	k, err := key.ParseBlock(c.it.Key())
	if err == nil {
		c.block, err = stream.ParseBlock(bytes.Clone(c.it.Value()))
	}
	if err == nil && c.block.Header().First != k.First {
		err = fmt.Errorf("it begins at position %d", c.block.Header().First)
	}
	if err != nil {
		c.err = c.m.corrupt(fmt.Errorf("block with key %x (group %d, class %d, segment %d, shard %s of stream %d, position %d): %w",
			c.it.Key(), k.Group, k.Class, k.Segment, k.Shard.Name(), k.Shard.Stream, k.First, err))
	}
	return err == nil
}

// skipTo goes forward to the first block that arrived at or after ms, by
// bisection over the positions: stamps never decrease.
func (c *cursor) skipTo(ms int64, hi stream.Position) bool {
	if c.block.Header().ArrivedMs >= ms {
		return true
	}
	lo := c.block.Last() + 1 // every block that begins before lo arrived too early
	for lo < hi {
		mid := lo + (hi-lo)/2
		if !c.seekGE(mid) {
			if c.err != nil {
				return false
			}
			hi = mid // nothing begins at or after mid
			continue
		}
		if c.block.Header().ArrivedMs < ms {
			lo = c.block.Last() + 1
		} else {
			hi = mid
		}
	}
	return c.seekGE(lo)
}

// readError names what was being read when the store failed.
func (m *Machine) readError(id stream.ShardID, x run, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("read shard %s of stream %d in %s: %w", id.Name(), id.Stream, x.segment, err)
	if errors.Is(err, storage.ErrCorrupt) {
		return m.corrupt(err)
	}
	return stream.Wrap(stream.CodeInternal, err, "read the store")
}

// corrupt tells of damage; what is damaged is not served.
func (m *Machine) corrupt(err error) error {
	if m.cfg.OnCorrupt != nil {
		m.cfg.OnCorrupt(err)
	}
	m.log.Error("stored data is damaged", "error", err)
	return stream.Wrap(stream.CodeCorrupt, err, "stored data is damaged")
}
