package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/runnel-io/runnel/storage/faultfs"
)

const damageRows = 200

// written makes a store with several tables, a compaction and rows in the log.
// Closed cleanly or left as kill -9 leaves it.
func written(t *testing.T, clean bool) *MemFS {
	t.Helper()
	fs := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: fs, MemtableBytes: 1 << 20})
	for i := range damageRows {
		set(t, s, true, rowKey(i), rowValue(i))
		if i%40 == 39 && i < damageRows-20 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.WriteFile("small", []byte("small file")); err != nil {
		t.Fatal(err)
	}
	if clean {
		mustClose(t, s)
	}
	return keepAll(fs)
}

func keepAll(fs *MemFS) *MemFS {
	return fs.CrashClone(CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

func rowKey(i int) string   { return fmt.Sprintf("row%04d", i) }
func rowValue(i int) string { return strings.Repeat(fmt.Sprintf("value%04d", i), 50) }

// TestFlippedBits flips bits of every file. What is read afterwards is either
// what was written or an error; only the end of the log of a killed process may
// be missing, which raftlog's marks notice.
func TestFlippedBits(t *testing.T) {
	each := int64(8) // flips per file
	if testing.Short() {
		each = 3
	}
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			t.Parallel()
			fs := written(t, clean)
			names, err := fs.List("data")
			if err != nil {
				t.Fatal(err)
			}
			flips, found := 0, 0
			rng := rand.New(rand.NewPCG(3, 4))
			for _, name := range names {
				size := fileSize(t, fs, "data/"+name)
				for range min(size, each) {
					at, bit := rng.Int64N(size), byte(1)<<rng.IntN(8)
					damaged := keepAll(fs)
					if err := faultfs.Flip(damaged, "data/"+name, at, bit); err != nil {
						t.Fatal(err)
					}
					flips++
					if noticed(t, damaged, clean, fmt.Sprintf("%s byte %d", name, at)) {
						found++
					}
				}
			}
			t.Logf("%d of %d flips were noticed, the others were in unused bytes", found, flips)
			if found < flips/4 {
				t.Errorf("only %d of %d flips were noticed: does the test reach the data?", found, flips)
			}
		})
	}
}

func fileSize(t *testing.T, fs FS, path string) int64 {
	t.Helper()
	size, err := faultfs.Size(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// noticed reads everything and fails the test if something is wrong or
// missing without an error.
func noticed(t *testing.T, fs FS, clean bool, where string) bool {
	t.Helper()
	s, err := Open(Config{Dir: "data", FS: fs, ReadOnly: true, MemtableBytes: 1 << 20})
	if err != nil {
		return true
	}
	defer s.Close()
	missing := -1
	for i := range damageRows {
		v, c, err := s.Get([]byte(rowKey(i)))
		switch {
		case errors.Is(err, ErrNotFound):
			missing = i
			continue
		case err != nil:
			return true
		case string(v) != rowValue(i):
			t.Errorf("%s: row %d is served with other bytes", where, i)
		case missing >= 0:
			t.Errorf("%s: row %d is missing, and later ones are there", where, missing)
		}
		_ = c.Close()
	}
	if missing >= 0 && clean {
		t.Errorf("%s: row %d is missing without an error", where, missing)
	}
	if b, err := s.ReadFile("small"); err != nil {
		return true
	} else if string(b) != "small file" {
		t.Errorf("%s: the small file reads %q", where, b)
	}
	return missing >= 0
}

// TestMissingFiles takes files away or cuts their ends off, one by one. The
// store says so, or holds all that was written; only the newest log of a killed
// process takes its rows along, which raftlog's marks notice.
func TestMissingFiles(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := written(t, clean)
		names, err := fs.List("data")
		if err != nil {
			t.Fatal(err)
		}
		found, newest := 0, slices.Max(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "MANIFEST") }))
		for _, name := range names {
			path := "data/" + name
			removed, cut := keepAll(fs), keepAll(fs)
			if err := errors.Join(removed.Remove(path), faultfs.Cut(cut, path, fileSize(t, fs, path)/2)); err != nil {
				t.Fatal(err)
			}
			// Nothing else holds what is in the newest log and the small file.
			mayMiss := strings.HasSuffix(name, ".log") || name == "small"
			for how, damaged := range map[string]FS{"without": removed, "half of": cut} {
				if noticed(t, damaged, clean && !mayMiss, how+" "+name) {
					found++
				} else if strings.HasSuffix(name, ".sst") || name == newest {
					t.Errorf("%s %s: not noticed", how, name)
				}
			}
		}
		t.Logf("clean=%v: %d of %d were noticed", clean, found, 2*len(names))
	}
}

// Pebble refuses a store whose options file names another order of keys, but does
// not call it damage. No store is ever opened with another.
func TestDamagedOptions(t *testing.T) {
	for _, line := range []string{"comparer=", "merger=", "wal_dir="} {
		t.Run(line, func(t *testing.T) {
			fs := written(t, true)
			path := optionsFile(t, fs)
			b, err := readAll(fs, path)
			if err != nil {
				t.Fatal(err)
			}
			changed := bytes.Replace(b, []byte("  "+line), []byte("  "+line+"x"), 1)
			if bytes.Equal(changed, b) {
				t.Fatalf("no %q", line)
			}
			f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(changed); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Config{Dir: "data", FS: fs}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "OPTIONS") {
				t.Errorf("opened with: %v", err)
			}
		})
	}
}

// optionsFile is the newest.
func optionsFile(t *testing.T, fs FS) string {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "OPTIONS-") })
	if len(names) == 0 {
		t.Fatal("no options file")
	}
	return "data/" + slices.Max(names)
}

// TestFailedSync lets one fsync fail: the commit must not succeed, nor any
// later one, and the node is told once.
func TestFailedSync(t *testing.T) {
	var failing atomic.Bool
	injected := errors.New("the disk is gone")
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if failing.Load() && syncs && strings.HasSuffix(op.Path, ".log") {
			return injected
		}
		return nil
	}))
	told := make(chan error, 2)
	s := open(t, Config{Dir: "data", FS: fs, OnFatal: func(err error) { told <- err }})
	set(t, s, true, "a", "1")
	failing.Store(true)
	committed := make(chan error, 1)
	go func() {
		b := s.NewBatch()
		b.Set([]byte("b"), []byte("2"))
		committed <- b.Commit(true)
	}()
	select {
	case err := <-told:
		if !strings.Contains(err.Error(), injected.Error()) {
			t.Errorf("told %v", err)
		}
	case err := <-committed:
		if err == nil {
			t.Fatal("a commit whose fsync failed was acknowledged")
		}
	}
	<-s.Failed()
	failing.Store(false)
	b := s.NewBatch()
	defer b.Close()
	b.Set([]byte("c"), []byte("3"))
	if err := b.Commit(true); err == nil {
		t.Error("a later commit was acknowledged")
	}
	if err := s.CheckWritable(1); err == nil {
		t.Error("the failed store says that it is writable")
	}
	select {
	case err := <-committed:
		if err == nil {
			t.Error("the commit whose fsync failed was acknowledged later")
		}
	default:
	}
}

// TestNoSpace wants a full disk to be told as one, at the start and in the log.
func TestNoSpace(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		writes := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
		if full.Load() && writes && !strings.HasSuffix(op.Path, "LOCK") {
			return syscall.ENOSPC
		}
		return nil
	}))
	if _, err := Open(Config{Dir: "data", FS: fs}); !errors.Is(err, ErrDiskFull) {
		t.Errorf("opening on a full disk: %v", err)
	}
	full.Store(false)
	told := make(chan error, 1)
	s := open(t, Config{Dir: "data", FS: fs, OnFatal: func(err error) { told <- err }})
	set(t, s, true, "a", "1")
	full.Store(true)
	go func() { // does not return
		b := s.NewBatch()
		b.Set([]byte("b"), make([]byte, 64<<10))
		_ = b.Commit(true)
	}()
	if err := <-told; !errors.Is(err, ErrDiskFull) {
		t.Errorf("a log that can not be written: %v", err)
	}
}

// TestNoSpaceForANewLog fills the disk when Pebble changes to a new log, at
// which it would panic.
func TestNoSpaceForANewLog(t *testing.T) {
	for name, use := range map[string]func(*Store){
		"room":  func(s *Store) { _ = s.MakeRoom(1 << 40) },
		"close": func(s *Store) { _ = s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var full atomic.Bool
			fs := faultfs.Hook(NewCrashableMem(), func(path string) error {
				if full.Load() && strings.HasSuffix(path, ".log") {
					return syscall.ENOSPC
				}
				return nil
			})
			told := make(chan error, 1)
			s := open(t, Config{Dir: "data", FS: fs, OnFatal: func(err error) { told <- err }})
			set(t, s, true, "a", "1")
			full.Store(true)
			go use(s)
			if err := <-told; !errors.Is(err, ErrDiskFull) {
				t.Errorf("told %v", err)
			}
			if err := s.Close(); !errors.Is(err, ErrDiskFull) && !errors.Is(err, ErrClosed) {
				t.Errorf("close: %v", err)
			}
			if _, err := Open(Config{Dir: "data", FS: fs}); !errors.Is(err, ErrLocked) {
				t.Errorf("a failed store has let go of its lock: %v", err)
			}
		})
	}
}
