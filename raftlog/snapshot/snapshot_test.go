package snapshot

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

const group = 4

func open(t *testing.T, fs storage.FS) *storage.Store {
	t.Helper()
	s, err := storage.Open(storage.Config{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func commit(t *testing.T, s *storage.Store, fill func(*storage.Batch)) {
	t.Helper()
	b := s.NewBatch()
	defer b.Close()
	fill(b)
	if err := b.Commit(true); err != nil {
		t.Fatal(err)
	}
}

func servers(names ...string) raft.Configuration {
	var c raft.Configuration
	for i, n := range names {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.ServerSuffrage(i % 2), ID: raft.ServerID(n), Address: raft.ServerAddress("at " + n)})
	}
	return c
}

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{
			Index: rapid.Uint64().Draw(t, "index"), Term: rapid.Uint64().Draw(t, "term"), Applied: rapid.Uint64().Draw(t, "applied"),
			ConfigurationIndex: rapid.Uint64().Draw(t, "configuration"), Configuration: servers(rapid.SliceOfN(rapid.String(), 0, 5).Draw(t, "servers")...),
		}
		k := key.Stable(group, appliedName)
		b := s.encode(k)
		got, err := decode(k, b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v reads as %+v, %v", s, got, err)
		}
		if _, err := decode(key.Stable(group, snapshotName), b); err == nil {
			t.Fatal("a row is accepted under another key")
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := decode(k, b); err == nil {
			t.Fatalf("a flipped bit of byte %d was not noticed", at)
		}
	})
}

func FuzzState(f *testing.F) {
	k := key.Stable(group, appliedName)
	b := State{Index: 1, Configuration: servers("a", "b")}.encode(k)
	f.Add(b[:len(b)-rowSum])
	f.Fuzz(func(t *testing.T, body []byte) {
		c := sum(k, body)
		b := append(bytes.Clone(body), byte(c), byte(c>>8), byte(c>>16), byte(c>>24))
		if s, err := decode(k, b); err == nil && !bytes.Equal(s.encode(k), b) {
			t.Errorf("%x reads as %+v", b, s)
		}
	})
}

func TestLoad(t *testing.T) {
	s := open(t, storage.NewCrashableMem())
	if a, n, err := Load(s, group); err != nil || a.Index != 0 || n.Index != 0 {
		t.Errorf("a new group: %+v, %+v, %v", a, n, err)
	}
	applied := State{Index: 10, Term: 2, Applied: 10, ConfigurationIndex: 1, Configuration: servers("a")}
	snap := State{Index: 12, Term: 3, Applied: 9}
	commit(t, s, func(b *storage.Batch) { PutApplied(b, group, applied); PutSnapshot(b, group, snap) })
	a, n, err := Load(s, group)
	if err != nil || !reflect.DeepEqual(a, applied) || !reflect.DeepEqual(n, snap) {
		t.Errorf("%+v, %+v, %v", a, n, err)
	}
	if a, _, err := Load(s, group+1); err != nil || a.Index != 0 {
		t.Errorf("another group: %+v, %v", a, err)
	}
	commit(t, s, func(b *storage.Batch) { PutSnapshot(b, group, State{Index: 12, Applied: 11}) })
	if _, _, err := Load(s, group); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("a state that is older than its snapshot: %v", err)
	}
	commit(t, s, func(b *storage.Batch) { b.Set(key.Stable(group, appliedName), []byte("short")) })
	if _, _, err := Load(s, group); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("a damaged row: %v", err)
	}
}

// TestSnapshotIsTheLiveState goes the way of the library, and cuts the power
// after it: what was applied before the snapshot must be there.
func TestSnapshotIsTheLiveState(t *testing.T) {
	fs := storage.NewCrashableMem()
	s := open(t, fs)
	store := NewStore(s, group, State{}, State{})
	if l, err := store.List(); err != nil || len(l) != 0 {
		t.Errorf("before anything: %v, %v", l, err)
	}
	b := s.NewBatch()
	PutApplied(b, group, State{Index: 7, Term: 2, Applied: 7})
	b.Set([]byte("state"), []byte("of seven"))
	if err := b.Commit(false); err != nil {
		t.Fatal(err)
	}
	b.Close()

	c := servers("a", "b")
	k, err := store.Create(raft.SnapshotVersionMax, 8, 2, c, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Write(nil); !errors.Is(err, ErrForeign) {
		t.Errorf("writing to it: %v", err)
	}
	p := Point{Applied: 7}
	if err := errors.Join(p.Persist(k), k.Close()); err != nil {
		t.Fatal(err)
	}
	p.Release()
	l, err := store.List()
	if err != nil || len(l) != 1 || l[0].Index != 8 || l[0].Term != 2 || l[0].ConfigurationIndex != 1 || !reflect.DeepEqual(l[0].Configuration, c) || l[0].ID != k.ID() {
		t.Errorf("%+v, %v", l, err)
	}
	if _, _, err := store.Open(l[0].ID); !errors.Is(err, ErrForeign) {
		t.Errorf("opening it: %v", err)
	}

	after := open(t, fs.CrashClone(storage.CrashCloneCfg{}))
	applied, snap, err := Load(after, group)
	if err != nil || applied.Index != 7 || snap.Index != 8 || snap.Applied != 7 {
		t.Errorf("after a power cut: %+v, %+v, %v", applied, snap, err)
	}
	v, closer, err := after.Get([]byte("state"))
	if err != nil || string(v) != "of seven" {
		t.Fatalf("the state is %q, %v", v, err)
	}
	_ = closer.Close()
	if got := NewStore(after, group, applied, snap).Latest(); got.Index != 8 {
		t.Errorf("latest is %+v", got)
	}
	if got := NewStore(after, group, State{Index: 9}, snap).Latest(); got.Index != 9 {
		t.Errorf("what is applied is newer, latest is %+v", got)
	}
}

// TestCanceledSnapshot leaves no trace.
func TestCanceledSnapshot(t *testing.T) {
	store := NewStore(open(t, storage.NewCrashableMem()), group, State{}, State{})
	k, err := store.Create(raft.SnapshotVersionMax, 8, 2, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Cancel(), k.Close()); err != nil {
		t.Fatal(err)
	}
	if l, err := store.List(); err != nil || len(l) != 0 {
		t.Errorf("%v, %v", l, err)
	}
	if err := (Point{}).Persist(foreign{}); !errors.Is(err, ErrForeign) {
		t.Errorf("another sink: %v", err)
	}
}

type foreign struct{ io.WriteCloser }

func (foreign) ID() string    { return "" }
func (foreign) Cancel() error { return nil }
