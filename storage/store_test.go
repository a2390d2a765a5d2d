package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/storage/faultfs"
)

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, s *Store, sync bool, rows ...string) {
	t.Helper()
	b := s.NewBatch()
	defer b.Close()
	for i := 0; i < len(rows); i += 2 {
		b.Set([]byte(rows[i]), []byte(rows[i+1]))
	}
	if err := b.Commit(sync); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, r Reader, key string) (string, bool) {
	t.Helper()
	v, c, err := r.Get([]byte(key))
	if errors.Is(err, ErrNotFound) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	s := string(v)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return s, true
}

func TestRowsBatchesAndSnapshots(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := open(t, Config{Dir: t.TempDir()})
	defer mustClose(t, s)
	set(t, s, true, "a", "1", "b", "2", "c", "3")
	snap := s.NewSnapshot()
	b := s.NewBatch()
	b.DeleteRange([]byte("a"), []byte("c"))
	key, value := b.SetDeferred(1, 2)
	copy(key, "d")
	copy(value, "44")
	if b.Count() != 2 || b.Bytes() == 0 {
		t.Errorf("batch counts %d writes of %d bytes", b.Count(), b.Bytes())
	}
	if err := b.Commit(false); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, ok := read(t, s, "a"); ok {
		t.Error("a deleted row is read")
	}
	if v, _ := read(t, s, "d"); v != "44" {
		t.Errorf("d = %q", v)
	}
	if v, _ := read(t, snap, "b"); v != "2" {
		t.Errorf("the snapshot has b = %q", v)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	it, err := s.NewIter([]byte("b"), []byte("d"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for ok := it.First(); ok; ok = it.Next() {
		keys = append(keys, string(it.Key()))
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(keys, []string{"c"}) {
		t.Errorf("iterated %v", keys)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second opening answered %v", err)
	}
	if _, err := Open(Config{Dir: dir, ReadOnly: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second opening for reading answered %v", err)
	}
	mustClose(t, s)
	mustClose(t, open(t, Config{Dir: dir}))
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Config{Dir: dir, ReadOnly: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading an empty directory answered %v", err)
	}
	s := open(t, Config{Dir: dir})
	set(t, s, true, "a", "1")
	mustClose(t, s)
	s = open(t, Config{Dir: dir, ReadOnly: true})
	defer mustClose(t, s)
	if v, _ := read(t, s, "a"); v != "1" {
		t.Errorf("a = %q", v)
	}
	b := s.NewBatch()
	defer b.Close()
	b.Set([]byte("b"), nil)
	if err := b.Commit(true); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a commit answered %v", err)
	}
}

func TestReserve(t *testing.T) {
	free := uint64(100 << 20)
	s := open(t, Config{Dir: t.TempDir(), ReserveBytes: 50 << 20, FreeBytes: func(string) (uint64, uint64, error) { return free, 1 << 30, nil }})
	defer mustClose(t, s)
	if err := s.CheckWritable(1 << 20); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = s.CheckWritable(1 << 20)
		free -= 1 << 20
	}
	if !errors.Is(err, ErrDiskFull) {
		t.Fatalf("a full disk answered %v", err)
	}
	if free < 40<<20 {
		t.Errorf("writes were refused only at %d free bytes", free)
	}
	free = 1 << 30
	s.reserve.next.Store(0)
	if err := s.CheckWritable(1); err != nil {
		t.Errorf("after space came back: %v", err)
	}
}

// Who comes while the first look at the disk is under way is not told that it is
// full.
func TestReserveIsNotGuessed(t *testing.T) {
	looking, look := make(chan struct{}, 2), make(chan struct{})
	s := open(t, Config{Dir: t.TempDir(), FreeBytes: func(string) (uint64, uint64, error) {
		looking <- struct{}{}
		<-look
		return 100 << 30, 200 << 30, nil
	}})
	defer mustClose(t, s)
	answers := make(chan error, 2)
	go func() { answers <- s.CheckWritable(1) }()
	<-looking
	go func() { answers <- s.CheckWritable(1) }()
	select {
	case <-looking:
	case err := <-answers:
		t.Fatalf("answered %v before anybody knows", err)
	}
	close(look)
	for range 2 {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
}

// TestPowerCuts cuts the power after random numbers of synced commits, loses a
// random part of what was not synced, and wants every synced batch back whole.
func TestPowerCuts(t *testing.T) {
	cuts, synced, err := powerCuts(60, func(fs FS) FS { return fs })
	if err != nil {
		t.Fatal(err)
	}
	if synced < cuts {
		t.Errorf("only %d batches were written", synced)
	}
}

// TestPowerCutsNoticeALie proves that TestPowerCuts would notice a sync that was
// left out.
func TestPowerCutsNoticeALie(t *testing.T) {
	cuts, _, err := powerCuts(60, faultfs.DropSyncs)
	if err == nil {
		t.Fatal("a disk that syncs nothing has passed")
	}
	t.Logf("noticed at cut %d: %v", cuts, err)
}

func powerCuts(cuts int, disk func(FS) FS) (done, synced int, err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	fs := NewCrashableMem()
	for done = range cuts {
		next, n, err := untilCut(fs, disk(fs), rng, synced)
		if err != nil {
			return done, synced, err
		}
		fs, synced = next, n
	}
	return cuts, synced, nil
}

// untilCut checks what survived, writes more, and cuts the power.
func untilCut(below *MemFS, disk FS, rng *rand.Rand, synced int) (*MemFS, int, error) {
	s, err := Open(Config{Dir: "data", FS: disk, MemtableBytes: 256 << 10})
	if err != nil {
		return nil, 0, err
	}
	for i := range synced {
		for _, half := range []string{"x", "y"} {
			_, c, err := s.Get(fmt.Append(nil, half, i))
			if err != nil {
				return nil, 0, errors.Join(fmt.Errorf("row %s%d of %d: %w", half, i, synced, err), s.Close())
			}
			_ = c.Close()
		}
	}
	value := make([]byte, 10_000)
	put := func(sync bool, keys ...string) error {
		b := s.NewBatch()
		defer b.Close()
		for _, k := range keys {
			b.Set([]byte(k), value)
		}
		return b.Commit(sync)
	}
	for range rng.IntN(20) {
		if err := put(true, fmt.Sprint("x", synced), fmt.Sprint("y", synced)); err != nil {
			return nil, 0, err
		}
		synced++
	}
	if err := put(false, "unsynced"); err != nil {
		return nil, 0, err
	}
	crashed := below.CrashClone(CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if rng.IntN(2) == 0 {
		err = s.Close() // what the dead process still does must not matter
	}
	return crashed, synced, err
}

func TestSmallFile(t *testing.T) {
	fs := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: fs})
	if _, err := s.ReadFile("f"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file answered %v", err)
	}
	for _, text := range []string{"one", "", "three"} {
		if err := s.WriteFile("f", []byte(text)); err != nil {
			t.Fatal(err)
		}
		after := open(t, Config{Dir: "data", FS: fs.CrashClone(CrashCloneCfg{})})
		if b, err := after.ReadFile("f"); err != nil || string(b) != text {
			t.Errorf("after a power cut: %q, %v, want %q", b, err, text)
		}
	}
}
