package shardlog

import (
	"fmt"

	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// segmentSlack is by how much one entry may overfill a segment.
const segmentSlack = 12 << 20

// applyAppend checks the blocks of an entry. A refused block is deleted, and
// its positions count as given: a key must never be written twice, because a
// follower may append the second block before it applies the first.
func (m *Machine) applyAppend(b *storage.Batch, at Stamp, rows []raftlog.Row, refusal error) (any, error) {
	var refused []error
	items := make([]tailcache.Item, 0, len(rows))
	for i, r := range rows {
		k, block, err := m.parseRow(r, at)
		if err != nil {
			return nil, err
		}
		m.state.next = block.Last() + 1
		item, why := tailcache.Item{}, refusal
		if why == nil {
			if item, why, err = m.take(b, k, block, at); err != nil {
				return nil, err
			}
		}
		if why == nil {
			items = append(items, item)
			continue
		}
		if refused == nil {
			refused = make([]error, len(rows))
		}
		refused[i] = why
		b.Delete(r.Key)
	}
	if len(items) > 0 {
		m.batch.tail = append(m.batch.tail, tailcache.Entry{Items: items})
	}
	switch {
	case refusal != nil:
		return refusal, nil
	case refused != nil:
		return refused, nil
	}
	return nil, nil
}

// parseRow reads a row and holds key, block and command against each other.
func (m *Machine) parseRow(r raftlog.Row, at Stamp) (key.BlockKey, stream.Block, error) {
	k, err := key.ParseBlock(r.Key)
	if err != nil {
		return k, stream.Block{}, err
	}
	block, err := stream.ParseBlock(r.Value)
	if err != nil {
		return k, stream.Block{}, fmt.Errorf("block of %s at position %d: %w", k.Shard.Name(), k.First, err)
	}
	h := block.Header()
	switch {
	case k.Group != m.group:
		err = fmt.Errorf("block of group %d", k.Group)
	case k.First < m.state.next:
		err = fmt.Errorf("position %d is given a second time, next is %d", k.First, m.state.next)
	case h.First != k.First || h.ArrivedMs != at.Ms || h.Count == 0 || block.Last() > stream.MaxPosition-1:
		err = fmt.Errorf("block at position %d says position %d, count %d, stamp %d under stamp %d", k.First, h.First, h.Count, h.ArrivedMs, at.Ms)
	case k.Class >= classes || k.Segment == 0:
		err = fmt.Errorf("block in segment %d of class %d", k.Segment, k.Class)
	}
	return k, block, err
}

// take stores a block, or tells why not. err is for what must halt the group.
func (m *Machine) take(b *storage.Batch, k key.BlockKey, block stream.Block, at Stamp) (item tailcache.Item, why, err error) {
	s := m.shards[k.Shard]
	if s == nil {
		return item, errUnknownShard(k.Shard), nil
	}
	if why := errNotTaken(s.ShardState); why != nil {
		return item, why, nil
	}
	if at.Ms < s.ArrivalFloorMs {
		return item, stream.Errorf(stream.CodeUnavailable, "the stamp is before the parents of shard %s were closed", s.ID.Name()), nil
	}
	seg, why := m.segmentFor(k, s)
	if why != nil {
		return item, why, nil
	}
	if s.last != seg.SegmentID {
		if err := m.beginRun(b, s, seg, k.First, at.Ms); err != nil {
			return item, nil, err
		}
	}
	item = tailcache.Item{Shard: s.ID, Block: block, Before: s.LastPosition}
	m.count(s, seg, block)
	return item, nil, nil
}

// segmentFor finds the segment that the leader chose: the current one of the
// shard's class, or the next.
func (m *Machine) segmentFor(k key.BlockKey, s *shard) (*segment, error) {
	if k.Class != ClassOf(s.RetentionHours) {
		return nil, stream.Errorf(stream.CodeUnavailable, "the retention class of shard %s has changed", s.ID.Name())
	}
	id := SegmentID{Class: k.Class, Segment: k.Segment}
	current := m.state.current[k.Class]
	seg := m.segments[id]
	switch {
	case k.Segment == current && seg != nil && seg.Bytes < m.state.segmentBytes+segmentSlack:
		return seg, nil
	case k.Segment == current+1:
		m.state.current[k.Class] = k.Segment
		seg = &segment{SegmentInfo: SegmentInfo{SegmentID: id, FirstPosition: k.First}}
		m.segments[id] = seg
		return seg, nil
	}
	return nil, stream.Errorf(stream.CodeInternal, "%s does not take blocks, segment %d does", id, current)
}

// beginRun notes that the shard's blocks are from here on in another segment.
func (m *Machine) beginRun(b *storage.Batch, s *shard, seg *segment, first stream.Position, ms int64) error {
	k := key.SegmentShard(m.group, seg.Class, seg.Segment, s.ID)
	v, ok, err := m.batch.rows.get(m.store, k)
	if err != nil {
		return err
	}
	var firsts []stream.Position
	if ok {
		if firsts, err = decodeRuns(v); err != nil {
			return err
		}
	}
	m.batch.rows.set(b, k, encodeRuns(append(firsts, first)))
	x := run{segment: seg.SegmentID, firstArrivalMs: ms}
	m.batch.rows.set(b, key.ShardSegment(m.group, s.ID, first), x.encode())
	s.last = seg.SegmentID
	return nil
}

func (m *Machine) count(s *shard, seg *segment, block stream.Block) {
	h := block.Header()
	if s.FirstPosition == 0 {
		s.FirstPosition = h.First
	}
	s.LastPosition = block.Last()
	s.LastArrivalMs = h.ArrivedMs
	s.Records += uint64(h.Count)
	s.Bytes += h.Bytes
	m.touch(s)

	if seg.Blocks == 0 {
		seg.FirstPosition, seg.FirstArrivalMs = h.First, h.ArrivedMs
	}
	seg.LastPosition, seg.LastArrivalMs = block.Last(), h.ArrivedMs
	seg.Bytes += uint64(len(block.Encoded()))
	seg.Blocks++
	m.touchSegment(seg)
}
