package metadata

import (
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// Config is what a Machine needs. It influences answers only, never the state.
type Config struct {
	Account Account
	Logger  *slog.Logger // nil: none
	// Changed is told the streams that have an operation, after they were
	// published. It must not block. May be nil.
	Changed func(ids []stream.StreamID)
}

// Machine is the metadata of the cluster: raftlog.StateMachine of group 0.
type Machine struct {
	cfg Config

	// Owned by the goroutine that applies.
	sys      system
	streams  map[stream.StreamID]*Stream
	names    map[string]stream.StreamID
	tombs    []tombstone // by name
	charged  int         // shards that count for the account's limit
	creating int
	loads    []int // open and planned shards, by group
	batch    *storage.Batch
	changed  []stream.StreamID // since the last Published
	gone     []*Stream

	view view
}

type tombstone struct {
	name string
	sec  int64
}

// view is what was published.
type view struct {
	index  atomic.Uint64
	sys    atomic.Pointer[system]
	loads  atomic.Pointer[[]int]
	open   atomic.Int64
	byName sync.Map // string -> *Stream
	byID   sync.Map // stream.StreamID -> *Stream

	mu    sync.RWMutex
	names []string // sorted
}

// New makes a Machine; Restore fills it.
func New(cfg Config) *Machine {
	m := &Machine{cfg: cfg}
	m.reset()
	m.view.sys.Store(&system{})
	m.view.loads.Store(&[]int{})
	return m
}

func (m *Machine) reset() {
	m.sys = system{nextStream: 1}
	m.streams = make(map[stream.StreamID]*Stream)
	m.names = make(map[string]stream.StreamID)
	m.tombs = nil
	m.charged, m.creating, m.loads = 0, 0, nil
	m.changed, m.gone = nil, nil
}

// Restore implements raftlog.StateMachine.
func (m *Machine) Restore(r storage.Reader) error {
	m.reset()
	if err := m.restoreSystem(r); err != nil {
		return err
	}
	if err := m.restoreStreams(r); err != nil {
		return err
	}
	if err := m.restoreShards(r); err != nil {
		return err
	}
	if err := m.restoreTombstones(r); err != nil {
		return err
	}
	return m.replaceView()
}

func (m *Machine) restoreStreams(r storage.Reader) error {
	lo, hi := key.MetaStreamBounds()
	return scan(r, lo, hi, func(k, v []byte) error {
		id, err := key.ParseMetaStream(k)
		if err != nil {
			return err
		}
		s, err := decodeStream(id, v)
		if err != nil {
			return err
		}
		if other, ok := m.names[s.Name]; ok {
			return fmt.Errorf("stream incarnations %d and %d are both named %q", other, id, s.Name)
		}
		m.streams[id] = s
		m.names[s.Name] = id
		return nil
	})
}

func (m *Machine) restoreShards(r storage.Reader) error {
	lo, hi := key.MetaShardsBounds()
	return scan(r, lo, hi, func(k, v []byte) error {
		id, err := key.ParseMetaShard(k)
		if err != nil {
			return err
		}
		sh, err := decodeShard(id, v)
		if err != nil {
			return err
		}
		s, ok := m.streams[id.Stream]
		if !ok {
			return fmt.Errorf("shard %s belongs to no stream", id)
		}
		s.shards = append(s.shards, sh)
		return nil
	})
}

func (m *Machine) restoreTombstones(r storage.Reader) error {
	lo, hi := key.MetaNameBounds()
	return scan(r, lo, hi, func(k, v []byte) error {
		name, err := key.ParseMetaName(k)
		if err != nil {
			return err
		}
		sec, err := decodeTombstone(name, v)
		if err != nil {
			return err
		}
		m.tombs = append(m.tombs, tombstone{name, sec})
		return nil
	})
}

// replaceView checks what was restored and publishes all of it.
func (m *Machine) replaceView() error {
	m.view.byName.Range(func(_, v any) bool {
		m.gone = append(m.gone, v.(*Stream))
		return true
	})
	m.view.name(m.names)
	for _, id := range m.ids() {
		s := m.streams[id]
		s.remap()
		if s.Status != Creating && s.Status != Deleting && !s.tiles() {
			return fmt.Errorf("the open shards of stream incarnation %d do not tile the hash space", id)
		}
		m.count(nil, s)
		m.changed = append(m.changed, id)
	}
	m.publish()
	return nil
}

func (m *Machine) ids() []stream.StreamID {
	ids := make([]stream.StreamID, 0, len(m.streams))
	for id := range m.streams {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// ApplyBatch implements raftlog.StateMachine. The answers are nil, a *stream.Error
// or the answer that the command names.
func (m *Machine) ApplyBatch(b *storage.Batch, entries []raftlog.Committed) ([]any, error) {
	m.batch = b
	defer func() { m.batch = nil }()
	results := make([]any, len(entries))
	for i, e := range entries {
		c, ms, err := Decode(e.Command)
		if err != nil {
			return nil, fmt.Errorf("metadata entry %d: %w", e.Index, err)
		}
		m.sys.timeMs = max(m.sys.timeMs, ms)
		if refused := m.apply(c, &results[i]); refused != nil {
			results[i] = refused
		}
	}
	m.setSystem()
	return results, nil
}

// apply changes the state, or refuses and changes nothing.
func (m *Machine) apply(c Command, answer *any) *stream.Error {
	switch c := c.(type) {
	case *Init:
		return m.init(c)
	case *GroupReady:
		return m.groupReady(c)
	case *RotateKey:
		return m.rotateKey(c)
	case *CreateStream:
		return m.createStream(c)
	case *DeleteStream:
		return m.deleteStream(c)
	case *SplitShard:
		return m.splitShard(c)
	case *MergeShards:
		return m.mergeShards(c)
	case *UpdateShardCount:
		return m.updateShardCount(c, answer)
	case *SetRetention:
		return m.setRetention(c, answer)
	case *PlanRound:
		return m.planRound(c)
	case *Flip:
		return m.flip(c)
	case *Opened:
		return m.opened(c)
	case *RetentionDone:
		return m.retentionDone(c)
	case *Finish:
		return m.finish(c)
	case *Removed:
		return m.removed(c)
	case *Forget:
		return m.forget(c)
	}
	return stream.Errorf(stream.CodeInternal, "no such metadata command")
}

// put replaces a stream (old is nil for a new one) and writes its row and the
// rows of the shards at these places.
func (m *Machine) put(old, s *Stream, places ...int) {
	m.count(old, s)
	m.streams[s.ID] = s
	m.changed = append(m.changed, s.ID)
	m.batch.Set(key.MetaStream(s.ID), s.encode())
	for _, i := range places {
		m.batch.Set(key.MetaShard(s.shards[i].ID), s.shards[i].encode())
	}
}

// count keeps the sums that limits and placement need. Either may be nil.
func (m *Machine) count(old, s *Stream) {
	add := func(s *Stream, sign int) {
		if s == nil {
			return
		}
		m.charged += sign * s.charged()
		if s.Status == Creating {
			m.creating += sign
		}
		for _, sh := range s.shards {
			if sh.Phase == Closed {
				continue
			}
			for int(sh.Group) >= len(m.loads) {
				m.loads = append(m.loads, 0)
			}
			m.loads[sh.Group] += sign
		}
	}
	add(old, -1)
	add(s, 1)
}

// Published implements raftlog.StateMachine.
func (m *Machine) Published(index uint64) {
	m.publish()
	m.view.index.Store(index)
}

func (m *Machine) publish() {
	sys := m.sys
	m.view.sys.Store(&sys)
	loads := append([]int(nil), m.loads...)
	m.view.loads.Store(&loads)
	m.view.open.Store(int64(m.charged))
	for _, s := range m.gone {
		m.view.remove(s)
	}
	var pending []stream.StreamID
	for _, id := range m.changed {
		s, ok := m.streams[id]
		if !ok {
			continue // made or changed, and removed, in one batch
		}
		m.view.set(s)
		if s.Op != nil {
			pending = append(pending, id)
		}
	}
	m.changed, m.gone = m.changed[:0], nil
	if len(pending) > 0 && m.cfg.Changed != nil {
		m.cfg.Changed(pending)
	}
}

// name adds many names at once; set would move them all for each.
func (v *view) name(names map[string]stream.StreamID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range names { // sorted below
		v.names = append(v.names, name)
	}
	slices.Sort(v.names)
	v.names = slices.Compact(v.names)
}

func (v *view) set(s *Stream) {
	prev, replaced := v.byID.Swap(s.ID, s)
	if replaced && prev == any(s) {
		return // listed twice
	}
	v.byName.Store(s.Name, s)
	if replaced {
		close(prev.(*Stream).superseded)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i := sort.SearchStrings(v.names, s.Name)
	if i < len(v.names) && v.names[i] == s.Name {
		return
	}
	v.names = append(v.names, "")
	copy(v.names[i+1:], v.names[i:])
	v.names[i] = s.Name
}

func (v *view) remove(s *Stream) {
	prev, ok := v.byID.LoadAndDelete(s.ID)
	if !ok {
		return
	}
	v.byName.CompareAndDelete(s.Name, prev)
	v.mu.Lock()
	i := sort.SearchStrings(v.names, s.Name)
	if i < len(v.names) && v.names[i] == s.Name {
		v.names = append(v.names[:i], v.names[i+1:]...)
	}
	v.mu.Unlock()
	close(prev.(*Stream).superseded)
}

func scan(r storage.Reader, lo, hi []byte, each func(k, v []byte) error) (err error) {
	it, err := r.NewIter(lo, hi)
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("read metadata: %w", cerr)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		if err := each(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	return nil
}
