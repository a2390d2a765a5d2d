package raftlog_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/storage/key"
)

// TestFailedSync fails the sync of the store's log under load. Proposals on
// their way end with an unknown outcome, later ones are refused, and the node is
// told once. Pebble's goroutines are lost with the store, so it runs in a process
// of its own.
func TestFailedSync(t *testing.T) {
	if os.Getenv("RUNNEL_TEST_FAILED_SYNC") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailedSync$")
		cmd.Env = append(os.Environ(), "RUNNEL_TEST_FAILED_SYNC=yes")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var failing atomic.Bool
	fs := faultfs.Hook(storage.NewCrashableMem(), func(path string) error {
		if failing.Load() && strings.HasSuffix(path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	})
	told := make(chan error, 9)
	n := startNode(t, nodeConfig{dir: "store", fs: fs, edit: func(c *raftlog.Config) { c.OnFatal = func(err error) { told <- err } }})
	g, _ := n.ready(7)
	idle, _ := n.ready(8)
	put(t, g, 0, 20, 1, 100)
	failing.Store(true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := g.Propose(entryOf(7, 99, 1, 100)).Wait(t.Context())
			if !errors.Is(err, raftlog.ErrUnknownOutcome) && !errors.Is(err, raftlog.ErrStopped) || !errors.Is(err, storage.ErrDiskFull) {
				t.Errorf("a proposal amid the failure: %v", err)
			}
		})
	}
	wg.Wait()
	if err := <-told; !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("told %v", err)
	}
	for _, g := range []*raftlog.Group{g, idle} {
		if _, err := g.Propose(raftlog.Entry{}).Wait(t.Context()); !errors.Is(err, raftlog.ErrStopped) || raftlog.MayBeStored(err) {
			t.Errorf("a proposal to group %d after the failure: %v", g.ID(), err)
		}
		if err := g.Ready(t.Context()); !errors.Is(err, raftlog.ErrStopped) {
			t.Errorf("group %d is ready: %v", g.ID(), err)
		}
		if leads, _ := g.Leadership(); leads {
			t.Errorf("group %d leads", g.ID())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := n.host.Close(ctx); ctx.Err() != nil {
		t.Errorf("the host does not close: %v", err)
	}
	if len(told) > 0 {
		t.Errorf("told again: %v", <-told)
	}
	if t.Failed() {
		return
	}
	os.Exit(0) // without the search for lost goroutines
}

// TestHangingWrite hangs the disk for longer than allowed, and lets go again.
func TestHangingWrite(t *testing.T) {
	var hanging atomic.Bool
	release := make(chan struct{})
	fs := faultfs.Hook(storage.NewCrashableMem(), func(path string) error {
		if hanging.Load() && strings.HasSuffix(path, ".log") {
			<-release
		}
		return nil
	})
	told := make(chan error, 9)
	n := startNode(t, nodeConfig{dir: "store", fs: fs, edit: func(c *raftlog.Config) {
		c.OnFatal = func(err error) { told <- err }
		c.WriteTimeout = 50 * time.Millisecond
	}})
	g, _ := n.ready(7)
	hanging.Store(true)
	p := g.Propose(entryOf(7, 0, 1, 100))
	if err := <-told; !strings.Contains(err.Error(), "a write to the log of group 7 has lasted") {
		t.Errorf("told %v", err)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, raftlog.ErrUnknownOutcome) {
		t.Errorf("the proposal that hangs: %v", err)
	}
	if _, err := g.Propose(raftlog.Entry{}).Wait(t.Context()); !errors.Is(err, raftlog.ErrStopped) {
		t.Errorf("a proposal afterwards: %v", err)
	}
	close(release)
	_ = n.host.Close(t.Context())
	if err := n.store.Close(); err != nil {
		t.Error(err)
	}
}

// TestRestartOneGroup stops and starts one group while another works.
func TestRestartOneGroup(t *testing.T) {
	groups(t, func(t *testing.T, id raftlog.GroupID, c nodeConfig) {
		n := startNode(t, c)
		other, _ := n.ready(9)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := uint64(0); ; i++ {
				select {
				case <-stop:
					return
				default:
					put(t, other, i, i+1, 1, 10)
				}
			}
		})
		for round := range uint64(3) {
			g, l := n.ready(id)
			if l.count != round*20 {
				t.Errorf("round %d begins with %d entries", round, l.count)
			}
			put(t, g, round*20, (round+1)*20, 1, 100)
			if _, err := n.host.Open(id, &ledger{group: id}); err == nil {
				t.Error("a group was opened twice")
			}
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		wg.Wait()
		n.close()
	})
}

func TestContextEndsTheWaitOnly(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, _ := n.ready(7)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := g.Propose(entryOf(7, 0, 1, 10))
	if _, err := p.Wait(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that is over: %v", err)
	}
	if answer, err := p.Wait(t.Context()); err != nil || answer != uint64(1) {
		t.Errorf("the entry was not applied: %v, %v", answer, err)
	}
	if err := g.VerifyLeader(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	n.close()
}

// TestLostTail takes acknowledged entries away from one group of a stopped node.
// It starts in quarantine and says why; the others go on.
func TestLostTail(t *testing.T) {
	dir := t.TempDir()
	c := nodeConfig{dir: filepath.Join(dir, "store"), meta: filepath.Join(dir, "meta")}
	file := filepath.Join(c.meta, "raft.db")
	n := startNode(t, c)
	meta, _ := n.ready(0)
	put(t, meta, 0, 10, 1, 100)
	n.close()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n = startNode(t, c)
	meta, _ = n.ready(0)
	data, _ := n.ready(7)
	fine, _ := n.ready(8)
	put(t, meta, 10, 20, 1, 100)
	put(t, data, 0, 20, 1, 100)
	put(t, fine, 0, 20, 1, 100)
	last := data.Status().Last
	n.close()

	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(storage.Config{Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBatch()
	b.DeleteRange(key.Log(7, last-2), key.Log(7, last+1))
	if err := b.Commit(true); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	inspected := func(id raftlog.GroupID) error {
		t.Helper()
		store, err := storage.Open(storage.Config{Dir: c.dir, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		_, errs := raftlog.Inspect(raftlog.Config{Store: store, MetaLogDir: c.meta}, id)
		return errors.Join(errs...)
	}
	for _, id := range []raftlog.GroupID{0, 7} {
		if err := inspected(id); !errors.Is(err, storage.ErrCorrupt) || !strings.Contains(err.Error(), "but was on disk up to entry") {
			t.Errorf("inspected, group %d: %v", id, err)
		}
	}
	if err := inspected(8); err != nil {
		t.Errorf("inspected, group 8: %v", err)
	}

	n = startNode(t, c)
	for _, id := range []raftlog.GroupID{0, 7} {
		g, _ := n.open(id)
		s := g.Status()
		if s.State != "quarantined" || !errors.Is(s.Quarantined, storage.ErrCorrupt) || !strings.Contains(s.Quarantined.Error(), "but was on disk up to entry") {
			t.Errorf("group %d: %+v", id, s)
		}
		if _, err := g.Propose(raftlog.Entry{}).Wait(t.Context()); !errors.Is(err, raftlog.ErrQuarantined) || raftlog.MayBeStored(err) {
			t.Errorf("a proposal to group %d: %v", id, err)
		}
		if err := g.Ready(t.Context()); !errors.Is(err, raftlog.ErrQuarantined) {
			t.Errorf("group %d is ready: %v", id, err)
		}
	}
	fine, _ = n.ready(8)
	put(t, fine, 20, 30, 1, 100)
	n.close()
}

// TestInspect reads a stopped node's groups.
func TestInspect(t *testing.T) {
	groups(t, func(t *testing.T, id raftlog.GroupID, c nodeConfig) {
		n := startNode(t, c)
		g, _ := n.ready(id)
		put(t, g, 0, 50, 1, 100)
		want := g.Status()
		n.close()
		store, err := storage.Open(storage.Config{Dir: c.dir, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		s, errs := raftlog.Inspect(raftlog.Config{Store: store, MetaLogDir: c.meta}, id)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if s.First != want.First || s.Last != want.Last || s.Term != want.Term || s.Applied != want.Applied || s.Watermark != want.Last ||
			s.AppliedTerm != want.Term || s.VotedFor != "node-1" || s.VoteTerm != want.Term || len(s.Members) != 1 || s.Members[0] != "node-1" {
			t.Errorf("%+v, want %+v", s, want)
		}
		if s, errs := raftlog.Inspect(raftlog.Config{Store: store, MetaLogDir: c.meta}, 99); len(errs) > 0 || s.Last != 0 {
			t.Errorf("a group that does not exist: %+v, %v", s, errs)
		}
	})
}
