package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/storage/key"
)

const damageEntries = 20

// damageEntry is an entry with a row.
func damageEntry(index uint64) *raft.Log {
	row := entry.Row{Key: key.GroupState(testGroup, fmt.Sprintf("row %d", index)), Value: bytes.Repeat([]byte{byte(index)}, 100)}
	return &raft.Log{Index: index, Term: 3, Data: entry.Encode(entry.Entry{Command: []byte(fmt.Sprint(index)), Rows: []entry.Row{row}}).Bytes()}
}

func damageLog(s *storage.Store) Config {
	return Config{Group: testGroup, Store: s, Logger: slog.New(slog.DiscardHandler), Applied: func() uint64 { return 0 }}
}

// killed is the disk of a process that was killed right after it had
// acknowledged entries, a term and a vote.
func killed(t *testing.T) *storage.MemFS {
	t.Helper()
	fs := storage.NewCrashableMem()
	s, err := storage.Open(storage.Config{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(damageLog(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetUint64([]byte(keyTerm), 3); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(damageEntries) {
		if err := l.StoreLog(damageEntry(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Set([]byte("LastVoteCand"), []byte("somebody")); err != nil {
		t.Fatal(err)
	}
	// Synced or not, a killed process leaves what it has written.
	left := copyOf(fs)
	if err := errors.Join(l.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return left
}

func copyOf(fs *storage.MemFS) *storage.MemFS {
	return fs.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// outcome is what a start makes of a disk: nil if all is there, else why not. It
// fails the test if something is missing or different without an error.
func outcome(t *testing.T, fs storage.FS, where string) error {
	t.Helper()
	s, err := storage.Open(storage.Config{Dir: "data", FS: fs, ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	_, errs := Look(damageLog(s), 0, 0)
	looked := errors.Join(errs...)
	l := newLog(damageLog(s))
	err = errors.Join(l.look(0, 0)...)
	if (err == nil) != (looked == nil) {
		t.Errorf("%s: looking says %v, opening %v", where, looked, err)
	}
	if err != nil {
		return errors.Join(err, l.release())
	}
	defer l.release()
	for i := range uint64(damageEntries) {
		var got raft.Log
		if err := l.back.read(i+1, 0, &got, false); err != nil {
			t.Errorf("%s: entry %d is lost: %v", where, i+1, err)
		} else if want := damageEntry(i + 1); !bytes.Equal(got.Data, want.Data) || got.Term != want.Term {
			t.Errorf("%s: entry %d has changed", where, i+1)
		}
	}
	if v, err := l.Get([]byte("LastVoteCand")); err != nil || string(v) != "somebody" {
		t.Errorf("%s: the vote is %q, %v", where, v, err)
	}
	return nil
}

func TestUndamaged(t *testing.T) {
	if err := outcome(t, killed(t), "nothing"); err != nil {
		t.Error(err)
	}
}

// newestLog is the store's log that was written last, and how many bytes of it
// were.
func newestLog(t *testing.T, fs storage.FS) (path string, size int64) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	path = "data/" + slices.Max(slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") }))
	if size, err = faultfs.Size(fs, path); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return path, int64(len(bytes.TrimRight(b, "\x00")))
}

// TestFlippedLog flips bits all over the log of a killed process. Pebble takes
// those near the end for the end; the watermark does not.
func TestFlippedLog(t *testing.T) {
	fs := killed(t)
	path, size := newestLog(t, fs)
	step := max(1, size/300)
	byMark, byStore, flips := 0, 0, 0
	for at := int64(0); at < size; at += step {
		if at > size-100 { // every byte of the end
			step = 1
		}
		damaged := copyOf(fs)
		if err := faultfs.Flip(damaged, path, at, 1<<(at%8)); err != nil {
			t.Fatal(err)
		}
		err := outcome(t, damaged, fmt.Sprintf("byte %d of %d", at, size))
		if err == nil && size-at > 100 {
			t.Errorf("byte %d of %d was not noticed", at, size)
		}
		if err != nil && !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("byte %d: %v", at, err)
		}
		flips++
		if errors.Is(err, ErrDamaged) {
			byMark++
		} else if err != nil {
			byStore++
		}
	}
	t.Logf("of %d flips the store has noticed %d, and only the watermark %d", flips, byStore, byMark)
	if byMark == 0 {
		t.Error("the watermark was never needed: does the test reach the end of the log?")
	}
}

// TestShortLog takes away the end of the log, down to nothing, and the file.
func TestShortLog(t *testing.T) {
	fs := killed(t)
	path, size := newestLog(t, fs)
	for keep := int64(0); keep < size; keep += max(1, size/150) {
		damaged := copyOf(fs)
		if err := faultfs.Cut(damaged, path, keep); err != nil {
			t.Fatal(err)
		}
		if err := outcome(t, damaged, fmt.Sprintf("%d bytes of %d", keep, size)); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%d bytes of %d: %v", keep, size, err)
		}
	}
	if err := fs.Remove(path); err != nil {
		t.Fatal(err)
	}
	err := outcome(t, fs, "no log")
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "the log ends at entry 0, but was on disk up to entry 20") {
		t.Errorf("without the log: %v", err)
	}
}

// TestLostVote loses the last write of the log, which is a vote.
func TestLostVote(t *testing.T) {
	fs := killed(t)
	path, size := newestLog(t, fs)
	if err := faultfs.Flip(fs, path, size-20, 1); err != nil {
		t.Fatal(err)
	}
	err := outcome(t, fs, "the end")
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "term and vote were written 2 times, and 1 of those are on disk") {
		t.Errorf("without the vote: %v", err)
	}
}

// TestDamagedWatermark damages the mark itself.
func TestDamagedWatermark(t *testing.T) {
	const path = "data/group-7.watermark"
	fs := killed(t)
	size, err := faultfs.Size(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	half, gone, empty := copyOf(fs), copyOf(fs), copyOf(fs)
	err = errors.Join(faultfs.Cut(half, path, size/2), gone.Remove(path), faultfs.Cut(empty, path, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]*storage.MemFS{"half": half, "gone": gone, "empty": empty} {
		if err := outcome(t, damaged, name); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for at := int64(4096); at < size; at += 3 {
		damaged := copyOf(fs)
		if err := faultfs.Flip(damaged, path, at, 0xff); err != nil {
			t.Fatal(err)
		}
		_ = outcome(t, damaged, fmt.Sprintf("byte %d of the mark", at)) // checks what is read
	}
}

// TestListOfTables damages what says which tables there are, once the entries
// are in tables.
func TestListOfTables(t *testing.T) {
	fs := killed(t)
	s, err := storage.Open(storage.Config{Dir: "data", FS: fs}) // moves all to tables
	if err != nil {
		t.Fatal(err)
	}
	flushed := copyOf(fs)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := flushed.List("data")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "MANIFEST") && !strings.HasPrefix(name, "marker.manifest") && !strings.HasSuffix(name, ".sst") {
			continue
		}
		damaged := copyOf(flushed)
		if err := damaged.Remove("data/" + name); err != nil {
			t.Fatal(err)
		}
		if err := outcome(t, damaged, "without "+name); errors.Is(err, storage.ErrCorrupt) {
			found++
		} else if err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if found < 3 { // the list in force, the marker that names it, and a table
		t.Errorf("%d losses were noticed", found)
	}
}

// TestHoles removes headers and rows from the middle.
func TestHoles(t *testing.T) {
	for what, k := range map[string][]byte{
		"entry 9 is followed by entry 11": key.Log(testGroup, 10),
		"is missing":                      key.GroupState(testGroup, "row 10"),
		"the log begins at entry 2":       key.Log(testGroup, 1),
	} {
		fs := killed(t)
		s, err := storage.Open(storage.Config{Dir: "data", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		b := s.NewBatch()
		b.Delete(k)
		if err := b.Commit(true); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := outcome(t, fs, what); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q: %v", what, err)
		}
	}
}
