package logstore

import (
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

// both runs a test for a log in the store and for one in a file.
func both(t *testing.T, f func(t *testing.T, l *Log)) {
	for name, file := range map[string]string{"store": "", "file": "raft.db"} {
		t.Run(name, func(t *testing.T) {
			s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
			if err != nil {
				t.Fatal(err)
			}
			c := damageLog(s)
			if file != "" {
				c.File = filepath.Join(t.TempDir(), "new", file)
			}
			l, err := Open(c)
			if err != nil {
				t.Fatal(err)
			}
			f(t, l)
			if err := errors.Join(l.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestContract holds what the library compares literally.
func TestContract(t *testing.T) {
	both(t, func(t *testing.T, l *Log) {
		if _, err := l.Get([]byte("CurrentTerm")); err == nil || err.Error() != "not found" {
			t.Errorf("no value: %v", err)
		}
		if _, err := l.GetUint64([]byte("LastVoteTerm")); err == nil || err.Error() != "not found" {
			t.Errorf("no number: %v", err)
		}
		var e raft.Log
		if err := l.GetLog(1, &e); err != raft.ErrLogNotFound { //nolint:errorlint // as the library does
			t.Errorf("no entry: %v", err)
		}
		if fresh, err := l.Fresh(); !fresh || err != nil {
			t.Errorf("a new log is fresh: %v, %v", fresh, err)
		}
		if err := l.SetUint64([]byte("CurrentTerm"), 1<<40); err != nil {
			t.Fatal(err)
		}
		if n, err := l.GetUint64([]byte("CurrentTerm")); n != 1<<40 || err != nil || l.Term() != 1<<40 {
			t.Errorf("the term is %d, %v", n, err)
		}
		if err := l.Set([]byte("LastVoteCand"), nil); err != nil {
			t.Fatal(err)
		}
		if v, err := l.Get([]byte("LastVoteCand")); err != nil || len(v) != 0 {
			t.Errorf("an empty value: %q, %v", v, err)
		}
		if fresh, err := l.Fresh(); fresh || err != nil {
			t.Errorf("a log with a term is fresh: %v, %v", fresh, err)
		}
		if !l.IsMonotonic() {
			t.Error("the log has gaps")
		}
	})
}

func TestOrder(t *testing.T) {
	both(t, func(t *testing.T, l *Log) {
		if err := l.SetUint64([]byte("CurrentTerm"), 1); err != nil {
			t.Fatal(err)
		}
		entry := func(i uint64) *raft.Log { return &raft.Log{Index: i, Term: 1, Data: []byte("x")} }
		if err := l.StoreLogs(nil); err != nil {
			t.Error(err)
		}
		if err := l.StoreLogs([]*raft.Log{entry(5), entry(7)}); err == nil {
			t.Error("a gap was accepted")
		}
		if err := l.StoreLogs([]*raft.Log{entry(5), entry(6), entry(7)}); err != nil {
			t.Error(err)
		}
		for _, i := range []uint64{1, 7, 9} {
			if err := l.StoreLog(entry(i)); err == nil {
				t.Errorf("entry %d was accepted behind 7", i)
			}
		}
		if err := l.DeleteRange(5, 6); err == nil {
			t.Error("entries that are not applied were cut off the front")
		}
		if err := l.DeleteRange(6, 6); err == nil {
			t.Error("a hole was accepted")
		}
		if err := l.DeleteRange(8, 100); err != nil {
			t.Errorf("nothing to delete: %v", err)
		}
		if err := l.DeleteRange(0, 100); err != nil {
			t.Error(err)
		}
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		if first != 0 || last != 0 || l.Watermark() != 0 {
			t.Errorf("an emptied log goes from %d to %d, watermark %d", first, last, l.Watermark())
		}
		if err := l.StoreLog(entry(50)); err != nil {
			t.Errorf("after a reset: %v", err)
		}
	})
}

// broken is a backend whose next append fails.
type broken struct{ backend }

func (broken) append([]*raft.Log) (int, error) { return 0, syscall.EIO }

// TestFailedWrite fails one write: nothing is acknowledged any more, whatever it
// is, and the node is told once.
func TestFailedWrite(t *testing.T) {
	s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 9)
	c := damageLog(s)
	c.OnFatal = func(err error) { told <- err }
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.SetUint64([]byte("CurrentTerm"), 3), l.StoreLog(damageEntry(1))); err != nil {
		t.Fatal(err)
	}
	whole := l.back
	l.back = broken{whole}
	if err := l.StoreLog(damageEntry(2)); !errors.Is(err, syscall.EIO) {
		t.Errorf("an entry that was not written: %v", err)
	}
	l.back = whole
	for name, err := range map[string]error{
		"an entry": l.StoreLog(damageEntry(3)), "a vote": l.Set([]byte("LastVoteCand"), nil), "a cut": l.DeleteRange(1, 9),
	} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s after the failure: %v", name, err)
		}
	}
	l.Run()
	ended := make(chan bool, 1)
	go func() {
		defer func() { ended <- recover() == nil }()
		_ = l.SetUint64([]byte("CurrentTerm"), 4)
		t.Error("the goroutine of the library goes on, and would panic")
	}()
	if !<-ended {
		t.Error("panic")
	}
	if err := <-told; !errors.Is(err, syscall.EIO) || len(told) > 0 {
		t.Errorf("told %v, and %d more", err, len(told))
	}
	if l.Watermark() != 1 {
		t.Errorf("the watermark is %d", l.Watermark())
	}
	if err := errors.Join(l.Close(), s.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestDamageWhileItRuns damages an entry under a running log: if it is still to
// be applied, the goroutine that asks ends, since the library would panic.
func TestDamageWhileItRuns(t *testing.T) {
	s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatal(err)
	}
	applied := uint64(1)
	var told error
	c := Config{
		Group: testGroup, Store: s, Logger: slog.New(slog.DiscardHandler),
		Applied: func() uint64 { return applied }, OnDamage: func(err error) { told = err },
	}
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(l.SetUint64([]byte("CurrentTerm"), 3), l.StoreLogs([]*raft.Log{damageEntry(1), damageEntry(2), damageEntry(3)}))
	if err != nil {
		t.Fatal(err)
	}
	l.Run()
	b := s.NewBatch()
	for _, i := range []uint64{1, 2, 3} {
		b.Delete(key.GroupState(testGroup, "row "+string('0'+rune(i))))
	}
	if err := b.Commit(true); err != nil {
		t.Fatal(err)
	}
	b.Close()
	var e raft.Log
	if err := l.GetLog(1, &e); !errors.Is(err, raft.ErrLogNotFound) || told != nil {
		t.Errorf("an applied entry whose row is gone: %v, told %v", err, told)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.GetLog(2, &e)
		t.Error("the goroutine goes on")
	}()
	<-ended
	if !errors.Is(told, ErrDamaged) || !strings.Contains(told.Error(), "log entry 2: row 0") {
		t.Errorf("told %v", told)
	}
	if err := errors.Join(l.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestWatermarkIsSynced tells when: after a moment of quiet, and under load.
func TestWatermarkIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Log{dirty: make(chan struct{}, 1), stop: make(chan struct{})}
		begin := time.Now()
		if !l.settle() || time.Since(begin) != idle {
			t.Errorf("when idle: after %v", time.Since(begin))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			begin := time.Now()
			if !l.settle() || time.Since(begin) != busy {
				t.Errorf("under load: after %v", time.Since(begin))
			}
		}()
		for {
			select {
			case <-done:
				return
			case <-time.After(idle / 2):
				select {
				case l.dirty <- struct{}{}:
				default:
				}
			}
		}
	})
}

func TestStuck(t *testing.T) {
	l := &Log{}
	if l.Stuck() != 0 {
		t.Error("stuck without a write")
	}
	end := l.write()
	for l.Stuck() == 0 {
		runtime.Gosched()
	}
	end()
	if l.Stuck() != 0 {
		t.Error("stuck after the write")
	}
}
