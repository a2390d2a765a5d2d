package shardlog

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"github.com/runnel-io/runnel/stream"
)

// shard is one shard: its row as Apply has it, and what readers see of it.
type shard struct {
	shardRow      // Apply's
	dirty    bool // in the batch under way

	outRecords, outBytes atomic.Uint64

	mu    sync.Mutex
	state ShardState    // published
	wake  chan struct{} // closed when state changes; nil if nobody waits
}

func (s *shard) view() ShardState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *shard) publish() {
	s.dirty = false
	s.show(s.ShardState)
}

// withdraw ends the shard for its readers.
func (s *shard) withdraw() { s.show(ShardState{ShardSpec: ShardSpec{ID: s.ID}}) }

func (s *shard) show(state ShardState) {
	s.mu.Lock()
	s.state = state
	wake := s.wake
	s.wake = nil
	s.mu.Unlock()
	if wake != nil {
		close(wake)
	}
}

// changed returns the published state and a channel that is closed when it is
// no longer the latest.
func (s *shard) changed() (ShardState, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.state, s.wake
}

// Wait returns when a record at or after from may be read, or when there will
// never be one because the shard is closed. It costs no polling. The error is
// the context's, or CodeNotFound if the shard is unknown or being deleted.
func (m *Machine) Wait(ctx context.Context, id stream.ShardID, from stream.Position) error {
	for {
		s := m.find(id)
		if s == nil {
			return errUnknownShard(id)
		}
		state, changed := s.changed()
		switch {
		case state.Phase == 0 || state.Phase == Deleting:
			return errUnknownShard(id)
		case state.LastPosition >= from && state.LastPosition > 0, state.Phase == Closed:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ShardStats are the counters of one shard.
type ShardStats struct {
	ID                   stream.ShardID
	Phase                Phase
	InRecords, InBytes   uint64 // ever stored
	OutRecords, OutBytes uint64 // served by this node since it started
	LastArrivalMs        int64
}

// Served counts records that were given to a reader.
func (m *Machine) Served(id stream.ShardID, records int, bytes int) {
	if s := m.find(id); s != nil {
		s.outRecords.Add(uint64(records))
		s.outBytes.Add(uint64(bytes))
	}
}

// Stats lists the counters of all shards, in no order.
func (m *Machine) Stats() []ShardStats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]ShardStats, 0, len(m.seen))
	for _, s := range m.seen {
		st := s.view()
		if st.Phase == 0 {
			continue
		}
		out = append(out, ShardStats{
			ID: st.ID, Phase: st.Phase, InRecords: st.Records, InBytes: st.Bytes,
			OutRecords: s.outRecords.Load(), OutBytes: s.outBytes.Load(), LastArrivalMs: st.LastArrivalMs,
		})
	}
	return out
}

func compareShards(a, b stream.ShardID) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Index, b.Index))
}

func compareSegments(a, b SegmentID) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Segment, b.Segment))
}
