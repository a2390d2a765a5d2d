package shardlog

import (
	"fmt"
	"math"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// Bounds of one command's work, so that no entry holds up Apply for long.
const (
	MaxPurgeSegments = 256
	maxTrimShards    = 4096 // summed over the segments of one Trim, after the first
)

// trim removes the segments of the command that have expired.
func (m *Machine) trim(b *storage.Batch, c Trim) (any, error) {
	var a Answer
	budget := maxTrimShards
	for _, id := range c.Segments {
		seg := m.segments[id]
		if seg == nil {
			continue // trimmed before
		}
		if budget <= 0 {
			a.More = true
			break
		}
		holds, err := m.holders(id, m.batch.rows)
		if err != nil {
			return nil, err
		}
		budget -= len(holds) + 1
		if !m.expired(seg, holds) {
			a.Refused++
			continue
		}
		if err := m.removeSegment(b, seg, holds); err != nil {
			return nil, err
		}
		a.Trimmed++
	}
	return a, nil
}

// holding is a shard that a segment holds, with where its runs begin.
type holding struct {
	shard  stream.ShardID
	firsts []stream.Position
}

// holders reads which shards the segment holds, under the rows of a batch.
func (m *Machine) holders(id SegmentID, over overlay) ([]holding, error) {
	lo, hi := key.SegmentShardBounds(m.group, id.Class, id.Segment)
	rows, err := over.first(m.store, lo, hi, allRows)
	if err != nil {
		return nil, fmt.Errorf("shards of %s: %w", id, err)
	}
	out := make([]holding, len(rows))
	for i, r := range rows {
		_, _, _, shard, err := key.ParseSegmentShard(r.key)
		if err != nil {
			return nil, err
		}
		firsts, err := decodeRuns(r.value)
		if err != nil {
			return nil, err
		}
		out[i] = holding{shard, firsts}
	}
	return out, nil
}

const allRows = math.MaxInt

// expired tells whether every record of the segment is past the retention of
// its shard by the group's time.
func (m *Machine) expired(seg *segment, holds []holding) bool {
	for _, h := range holds {
		s := m.shards[h.shard]
		if s == nil || s.Phase == Deleting {
			continue
		}
		if seg.LastArrivalMs >= m.state.timeMs-s.RetentionMs() {
			return false
		}
	}
	return true
}

// removeSegment deletes a segment's blocks and rows. If it was the current one
// of its class, the next append begins a new one: no block may ever be written
// below a range that was deleted.
func (m *Machine) removeSegment(b *storage.Batch, seg *segment, holds []holding) error {
	lo, hi := key.SegmentBounds(m.group, seg.Class, seg.Segment)
	b.DeleteRange(lo, hi)
	for _, h := range holds {
		m.batch.rows.delete(b, key.SegmentShard(m.group, seg.Class, seg.Segment, h.shard))
		for _, first := range h.firsts {
			m.batch.rows.delete(b, key.ShardSegment(m.group, h.shard, first))
		}
	}
	b.Delete(key.Segment(m.group, seg.Class, seg.Segment))
	delete(m.segments, seg.SegmentID)
	m.batch.trimmed = append(m.batch.trimmed, seg.SegmentID)
	return nil
}

// purge removes a deleted shard's blocks, a bounded number of runs at a time,
// and at last the shard.
func (m *Machine) purge(b *storage.Batch, c Purge) (any, error) {
	s := m.shards[c.Shard]
	if s == nil {
		return Answer{}, nil
	}
	if s.Phase != Deleting {
		return Answer{Refused: 1}, nil
	}
	limit := int(min(max(c.Segments, 1), MaxPurgeSegments))
	lo, hi := key.ShardSegmentBounds(m.group, s.ID)
	rows, err := m.batch.rows.first(m.store, lo, hi, limit+1)
	if err != nil {
		return nil, fmt.Errorf("segments of shard %s: %w", s.ID.Name(), err)
	}
	for _, r := range rows[:min(limit, len(rows))] {
		if err := m.purgeRun(b, s, r); err != nil {
			return nil, err
		}
	}
	if len(rows) > limit {
		return Answer{Trimmed: limit, More: true}, nil
	}
	b.Delete(key.Shard(m.group, s.ID))
	delete(m.shards, s.ID)
	m.batch.gone = append(m.batch.gone, s)
	return Answer{Trimmed: len(rows)}, nil
}

// purgeRun deletes all the shard's blocks in the segment of one of its runs.
func (m *Machine) purgeRun(b *storage.Batch, s *shard, r row) error {
	_, _, first, err := key.ParseShardSegment(r.key)
	if err != nil {
		return err
	}
	x, err := decodeRun(first, r.value)
	if err != nil {
		return err
	}
	lo, hi := key.BlockBounds(m.group, x.segment.Class, x.segment.Segment, s.ID)
	b.DeleteRange(lo, hi)
	m.batch.rows.delete(b, key.SegmentShard(m.group, x.segment.Class, x.segment.Segment, s.ID))
	m.batch.rows.delete(b, r.key)
	return nil
}
