package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
)

const boltEntries = 60

func boltEntry(index uint64) *raft.Log {
	return &raft.Log{Index: index, Term: 1 + index/20, Data: bytes.Repeat([]byte{byte(index)}, int(index)*37)}
}

// boltFile writes a log with all that a file can have: several pages of
// entries, a cut front and end, free pages.
func boltFile(t *testing.T) (config Config, content []byte) {
	t.Helper()
	s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := Config{
		Group: 0, Store: s, File: filepath.Join(t.TempDir(), "raft.db"), Logger: slog.New(slog.DiscardHandler),
		Applied: func() uint64 { return 30 },
	}
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for i := range uint64(boltEntries) {
		errs = append(errs, l.SetUint64([]byte(keyTerm), 1+(i+1)/20), l.StoreLog(boltEntry(i+1)))
	}
	errs = append(errs, l.DeleteRange(1, 10), l.DeleteRange(50, 60), l.StoreLogs([]*raft.Log{boltEntry(50), boltEntry(51)}))
	errs = append(errs, l.Set([]byte("LastVoteCand"), []byte("somebody")), l.Close())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	content, err = os.ReadFile(c.File)
	if err != nil {
		t.Fatal(err)
	}
	return c, content
}

// boltOutcome is what an opening makes of a file: nil if all is there. It fails
// the test if something is missing or different without an error.
func boltOutcome(t *testing.T, c Config, where string) error {
	t.Helper()
	l := newLog(c)
	err := errors.Join(l.look(30, 2)...)
	defer func() { _ = l.release() }()
	if err != nil {
		return err
	}
	if l.first != 11 || l.last != 51 {
		t.Errorf("%s: log from %d to %d without an error", where, l.first, l.last)
	}
	for i := l.first; i <= l.last; i++ {
		var got raft.Log
		if err := l.back.read(i, 30, &got, false); err != nil {
			t.Errorf("%s: entry %d: %v", where, i, err)
		} else if want := boltEntry(i); got.Term != want.Term || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: entry %d has changed", where, i)
		}
	}
	if v, err := l.Get([]byte("LastVoteCand")); err != nil || string(v) != "somebody" {
		t.Errorf("%s: the vote is %q, %v", where, v, err)
	}
	return nil
}

// TestFlippedFile flips bits in every region of the file: the heads of all pages
// densely, all else here and there.
func TestFlippedFile(t *testing.T) {
	c, content := boltFile(t)
	if err := boltOutcome(t, c, "nothing"); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	page := os.Getpagesize()
	found, flips, sparse := 0, 0, 431
	if testing.Short() {
		sparse = 2003
	}
	for at := 0; at < len(content); {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(c.File, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		err := boltOutcome(t, c, fmt.Sprintf("byte %d of page %d", at%page, at/page))
		if err != nil && !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("byte %d: %v", at, err)
		}
		flips++
		if err != nil {
			found++
		} else if at/page < 2 && at%page >= 16 && at%page < 80 {
			t.Errorf("byte %d of meta page %d was not noticed", at%page, at/page)
		}
		if at%page < 128 {
			at += 1 + rng.IntN(2)
		} else {
			at += 1 + rng.IntN(sparse)
		}
	}
	t.Logf("%d of %d flips in %d pages were noticed, the others were in unused bytes", found, flips, len(content)/page)
	if found < flips/4 {
		t.Error("does the test reach the data?")
	}
}

// TestShortFile takes the end of the file away, page by page, and the file.
func TestShortFile(t *testing.T) {
	c, content := boltFile(t)
	for size := 0; size < len(content); size += os.Getpagesize() / 2 {
		if err := os.WriteFile(c.File, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		err := boltOutcome(t, c, fmt.Sprintf("%d bytes of %d", size, len(content)))
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err == nil && size < len(content)/4 {
			t.Errorf("%d bytes of %d were not noticed", size, len(content))
		}
	}
	if err := os.Remove(c.File); err != nil {
		t.Fatal(err)
	}
	if err := boltOutcome(t, c, "no file"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "raft.db is missing") {
		t.Errorf("without the file: %v", err)
	}
	if _, err := Open(c); !errors.Is(err, ErrDamaged) {
		t.Errorf("opening without the file: %v", err)
	}
	if _, err := os.Stat(c.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a new file was put in the place of a lost one: %v", err)
	}
}

// TestOldFile puts an earlier state of the file in its place: nothing in it is
// wrong, and only the watermark tells.
func TestOldFile(t *testing.T) {
	c, _ := boltFile(t)
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(c.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.StoreLog(boltEntry(52)), l.Close(), os.WriteFile(c.File, old, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "ends at entry 51, but was on disk up to entry 52") {
		t.Errorf("an earlier file: %v", err)
	}
}

// TestTornCreation interrupts the making of the file at every length.
func TestTornCreation(t *testing.T) {
	c, content := boltFile(t)
	for _, size := range []int{0, 1, 100, 4096, len(content) / 2, len(content)} {
		s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
		if err != nil {
			t.Fatal(err)
		}
		c.Store, c.File = s, filepath.Join(t.TempDir(), "meta", "raft.db")
		err = errors.Join(os.Mkdir(filepath.Dir(c.File), 0o750), os.WriteFile(c.File+".new", content[:size], 0o600))
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(c)
		if err != nil {
			t.Fatalf("after %d bytes: %v", size, err)
		}
		if fresh, err := l.Fresh(); !fresh || err != nil {
			t.Errorf("after %d bytes the log is not empty (%v)", size, err)
		}
		if err := errors.Join(l.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestTornCut leaves entries that a cut had not come to delete.
func TestTornCut(t *testing.T) {
	for name, tail := range map[string][2]uint64{"front": {31, 51}, "end": {11, 40}, "all": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			c, _ := boltFile(t)
			f, err := openBolt(c.File, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(f.db.StoreLog(f.tail(tail[0], tail[1])), f.close()); err != nil {
				t.Fatal(err)
			}
			l := newLog(c) // without the watermark, which the cut would have lowered
			if err := errors.Join(l.openBackend(true, false), l.load()); err != nil {
				t.Fatal(err)
			}
			if l.first != tail[0] || l.last != tail[1] {
				t.Errorf("log from %d to %d", l.first, l.last)
			}
			b := l.back.(*fileLog)
			first, _ := b.db.FirstIndex()
			if want := max(tail[0], 1); tail[1] != 0 && first != want || tail[1] == 0 && first != tailIndex {
				t.Errorf("the file begins with entry %d", first)
			}
			var e raft.Log
			if err := b.db.GetLog(tail[1]+1, &e); !errors.Is(err, raft.ErrLogNotFound) {
				t.Errorf("an entry behind the end: %v", err)
			}
			if err := l.back.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLookChangesNothing also wants what is applied held against the log.
func TestLookChangesNothing(t *testing.T) {
	c, content := boltFile(t)
	s, errs := Look(c, 30, 2)
	want := State{First: 11, Last: 51, Term: 4, VotedFor: "somebody", Watermark: 51}
	if len(errs) > 0 || s != want {
		t.Errorf("%+v, %v, want %+v", s, errs, want)
	}
	after, err := os.ReadFile(c.File)
	if err != nil || !bytes.Equal(after, content) {
		t.Errorf("looking has changed the file (%v)", err)
	}
	for applied, part := range map[uint64]string{9: "the log begins at entry 11", 52: "the log ends at entry 51"} {
		_, errs := Look(c, applied, 2)
		if err := errors.Join(errs...); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), part) {
			t.Errorf("applied %d: %v", applied, err)
		}
	}
	for term, part := range map[uint64]string{3: "applied in term 3, but is of term 2", 9: "entries of term 9, but the term is 4"} {
		_, errs := Look(c, 30, term)
		if err := errors.Join(errs...); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), part) {
			t.Errorf("applied in term %d: %v", term, err)
		}
	}
}
