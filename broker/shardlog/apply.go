package shardlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// ApplyBatch puts all effects of the entries into b and answers each of them
// with nil or []error for Append, Answer for the others, or an error if the
// whole entry is refused. The error returned means that the log cannot be
// followed: the group must halt.
func (m *Machine) ApplyBatch(b *storage.Batch, entries []raftlog.Committed) ([]any, error) {
	results := make([]any, len(entries))
	for i, e := range entries {
		res, err := m.apply(b, e)
		if err != nil {
			return nil, fmt.Errorf("apply entry %d of group %d: %w", e.Index, m.group, err)
		}
		results[i] = res
	}
	m.writeState(b)
	return results, nil
}

func (m *Machine) apply(b *storage.Batch, e raftlog.Committed) (any, error) {
	at, c, err := Decode(e.Command)
	if err != nil {
		return nil, err
	}
	m.state.entries++
	m.fold(e)
	var refusal error
	switch {
	case at.Term != e.Term:
		refusal = errStale
	case at.Ms < m.state.timeMs:
		refusal = errTimeWentBack
	default:
		m.state.timeMs = at.Ms
	}
	if _, ok := c.(Append); ok {
		return m.applyAppend(b, at, e.Rows, refusal)
	}
	if len(e.Rows) != 0 {
		return nil, fmt.Errorf("a command of kind %d carries rows", c.kind())
	}
	if refusal != nil {
		return refusal, nil
	}
	return m.applyControl(b, c)
}

// errStale is what a command becomes that was proposed in one term and landed
// in another: its positions and stamps may have been given again since.
var errStale = stream.Errorf(stream.CodeUnavailable, "leadership changed; nothing was stored")

var errTimeWentBack = stream.Errorf(stream.CodeUnavailable, "the leader's time went back; nothing was stored")

func (m *Machine) applyControl(b *storage.Batch, c Command) (any, error) {
	switch c := c.(type) {
	case Prepare:
		return m.prepare(c), nil
	case OpenShards:
		return m.open(c), nil
	case CloseShards:
		return m.closeShards(c), nil
	case SetRetention:
		return m.setRetention(c), nil
	case DeleteShards:
		return m.deleteShards(c), nil
	case Purge:
		return m.purge(b, c)
	case Trim:
		return m.trim(b, c)
	case Configure:
		if c.SegmentBytes > 0 {
			m.state.segmentBytes = c.SegmentBytes
		}
		return Answer{}, nil
	}
	return nil, fmt.Errorf("command %T is unknown", c)
}

var hashTable = crc64.MakeTable(crc64.ECMA)

// fold takes an entry into the running hash: its command and, for each block,
// the key and the checksum that ends it.
func (m *Machine) fold(e raftlog.Committed) {
	var head [24]byte
	binary.BigEndian.PutUint64(head[0:], m.state.hash)
	binary.BigEndian.PutUint64(head[8:], e.Index)
	binary.BigEndian.PutUint64(head[16:], e.Term)
	h := crc64.Update(0, hashTable, head[:])
	h = crc64.Update(h, hashTable, e.Command)
	for _, r := range e.Rows {
		h = crc64.Update(h, hashTable, r.Key)
		h = crc64.Update(h, hashTable, r.Value[max(0, len(r.Value)-4):])
	}
	m.state.hash = h
}

// writeState puts the small rows that the batch has changed into it.
func (m *Machine) writeState(b *storage.Batch) {
	for _, s := range m.batch.shards {
		if m.shards[s.ID] == s {
			b.Set(key.Shard(m.group, s.ID), s.encode())
		}
	}
	for _, s := range m.batch.segments {
		if m.segments[s.SegmentID] == s {
			b.Set(key.Segment(m.group, s.Class, s.Segment), s.encode())
		}
		s.dirty = false
	}
	b.Set(key.GroupState(m.group, groupRow), m.state.encode())
}

// touch marks a shard as changed by the batch.
func (m *Machine) touch(s *shard) {
	if !s.dirty {
		s.dirty = true
		m.batch.shards = append(m.batch.shards, s)
	}
}

func (m *Machine) touchSegment(s *segment) {
	if !s.dirty {
		s.dirty = true
		m.batch.segments = append(m.batch.segments, s)
	}
}
