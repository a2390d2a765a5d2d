package snapshot

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
)

// ErrForeign: state can not be read out of or written into this store; it is
// the live state.
var ErrForeign = errors.New("a snapshot is the live state: it can not be copied")

// Store is the snapshot store of one group.
type Store struct {
	store *storage.Store
	group uint32

	mu     sync.Mutex
	latest State
}

var _ raft.SnapshotStore = (*Store)(nil)

// NewStore makes the snapshot store of a group of which Load has told how far
// it has come. What is applied at start is a snapshot: it survived.
func NewStore(s *storage.Store, group uint32, applied, snapshot State) *Store {
	latest := applied
	if snapshot.Index > applied.Index {
		latest = snapshot
	}
	return &Store{store: s, group: group, latest: latest}
}

// Latest is the snapshot that List would show.
func (s *Store) Latest() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// List shows the live state as the only snapshot, once something is applied.
func (s *Store) List() ([]*raft.SnapshotMeta, error) {
	l := s.Latest()
	if l.Index == 0 {
		return nil, nil
	}
	return []*raft.SnapshotMeta{meta(l)}, nil
}

func meta(s State) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: 1, ID: id(s), Index: s.Index, Term: s.Term,
		Configuration: s.Configuration.Clone(), ConfigurationIndex: s.ConfigurationIndex,
	}
}

func id(s State) string { return fmt.Sprintf("%d-%d", s.Term, s.Index) }

// Open always fails: the state is not copied.
func (s *Store) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	return nil, nil, fmt.Errorf("open snapshot %s: %w", id, ErrForeign)
}

// Create begins a snapshot. Point.Persist says how far the state machine is.
func (s *Store) Create(_ raft.SnapshotVersion, index, term uint64, c raft.Configuration, configIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{store: s, state: State{Index: index, Term: term, Configuration: c, ConfigurationIndex: configIndex}}, nil
}

// Take makes everything that was committed to the store before durable, and
// remembers that the log is not needed up to s.Index.
func (s *Store) Take(state State) error {
	b := s.store.NewBatch()
	defer b.Close()
	PutSnapshot(b, s.group, state)
	if err := b.Commit(true); err != nil {
		return fmt.Errorf("snapshot of group %d at %d: %w", s.group, state.Index, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = state
	return nil
}

// sink is a snapshot being taken.
type sink struct {
	store *Store
	state State
}

func (k *sink) ID() string                { return id(k.state) }
func (k *sink) Write([]byte) (int, error) { return 0, ErrForeign }
func (k *sink) Cancel() error             { return nil }
func (k *sink) Close() error              { return nil }

// Point is a moment of a state machine: what it had applied.
type Point struct{ Applied uint64 }

var _ raft.FSMSnapshot = Point{}

// Persist copies nothing: it syncs what is applied.
func (p Point) Persist(to raft.SnapshotSink) error {
	k, ok := to.(*sink)
	if !ok {
		return ErrForeign
	}
	k.state.Applied = p.Applied
	return k.store.Take(k.state)
}

// Release does nothing: a point holds nothing.
func (Point) Release() {}
