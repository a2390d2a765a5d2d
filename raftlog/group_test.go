package raftlog_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/raftlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func groups(t *testing.T, f func(t *testing.T, id raftlog.GroupID, c nodeConfig)) {
	for name, id := range map[string]raftlog.GroupID{"metadata group": 0, "data group": 7} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f(t, id, nodeConfig{dir: filepath.Join(dir, "store"), meta: filepath.Join(dir, "meta")})
		})
	}
}

func TestGroupEndToEnd(t *testing.T) {
	groups(t, func(t *testing.T, id raftlog.GroupID, c nodeConfig) {
		n := startNode(t, c)
		g, l := n.ready(id)
		put(t, g, 0, 500, 2, 100)
		if s := g.Status(); s.State != "leader" || s.Leader != "node-1" || s.Applied < 500 || s.Term == 0 {
			t.Errorf("status %+v", s)
		}
		if l.published != g.Applied() {
			t.Errorf("published %d, applied %d", l.published, g.Applied())
		}
		checkRows(t, n.store, id, 500, 2, 100)
		n.close()

		n = startNode(t, c)
		g, l = n.ready(id)
		if l.count != 500 || l.hash != hashOf(500) || l.applied != 0 {
			t.Errorf("after a restart: %d entries, %d of them applied again", l.count, l.applied)
		}
		put(t, g, 500, 600, 2, 100)
		checkRows(t, n.store, id, 600, 2, 100)
		if err := n.host.Bootstrap(id + 100); err != nil {
			t.Error(err)
		}
		if err := n.host.Bootstrap(id + 100); !errors.Is(err, raftlog.ErrBootstrapped) {
			t.Errorf("second bootstrap: %v", err)
		}
		n.close()
	})
}

func TestOrderOfConcurrentProposers(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, _ := n.ready(3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var ps []*raftlog.Proposal
			for range 200 {
				ps = append(ps, g.Propose(raftlog.Entry{Command: []byte("x")}))
			}
			var last uint64
			for _, p := range ps {
				answer, err := p.Wait(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if answer.(uint64) <= last {
					t.Errorf("entry number %d came after %d", answer, last)
				}
				last = answer.(uint64)
			}
		})
	}
	wg.Wait()
	n.close()
}

func TestProposeAfterClose(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, _ := n.ready(3)
	n.close()
	_, err := g.Propose(raftlog.Entry{Command: []byte("x")}).Wait(t.Context())
	if !errors.Is(err, raftlog.ErrStopped) || raftlog.MayBeStored(err) || !raftlog.Retryable(err) {
		t.Errorf("after close: %v", err)
	}
	if err := g.Ready(t.Context()); !errors.Is(err, raftlog.ErrStopped) {
		t.Errorf("ready after close: %v", err)
	}
	if _, err := n.host.Open(3, &ledger{}); !errors.Is(err, raftlog.ErrStopped) {
		t.Errorf("open after close: %v", err)
	}
}

func TestCloseUnderLoad(t *testing.T) {
	groups(t, func(t *testing.T, id raftlog.GroupID, c nodeConfig) {
		n := startNode(t, c)
		g, _ := n.ready(id)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					_, err := g.Propose(entryOf(id, 1, 1, 1000)).Wait(context.Background())
					if errors.Is(err, raftlog.ErrStopped) || errors.Is(err, raftlog.ErrUnknownOutcome) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		put(t, g, 0, 0, 0, 0)
		n.close()
		wg.Wait()
	})
}

func TestNotBootstrapped(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, err := n.host.Open(9, &ledger{group: 9})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Propose(raftlog.Entry{Command: []byte("x")}).Wait(t.Context())
	if !errors.Is(err, raftlog.ErrNotLeader) || raftlog.MayBeStored(err) {
		t.Errorf("propose without a leader: %v", err)
	}
	if err := g.VerifyLeader(t.Context()); !errors.Is(err, raftlog.ErrNotLeader) {
		t.Errorf("verify without a leader: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := g.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ready without a leader: %v", err)
	}
	n.close()
}

func TestLeadershipIsTold(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, _ := n.open(3)
	for {
		if leads, term := g.Leadership(); leads {
			if term == 0 || g.LeaderID() != "node-1" {
				t.Errorf("leads in term %d, leader %q", term, g.LeaderID())
			}
			break
		}
		select {
		case <-g.LeadershipChanges():
		case <-time.After(10 * time.Second):
			t.Fatal("nobody told")
		}
	}
	if err := g.VerifyLeader(t.Context()); err != nil {
		t.Error(err)
	}
	select { // what is left of the election
	case <-g.LeadershipChanges():
	default:
	}
	n.close()
	select {
	case <-g.LeadershipChanges():
	case <-time.After(10 * time.Second):
		t.Error("nobody told that leadership ended")
	}
	if leads, _ := g.Leadership(); leads {
		t.Error("leads after close")
	}
}

func TestEntryOfAnotherTermHasNoRows(t *testing.T) {
	groups(t, func(t *testing.T, id raftlog.GroupID, c nodeConfig) {
		n := startNode(t, c)
		g, l := n.ready(id)
		_, term := g.Leadership()
		e := entryOf(id, 1, 1, 100)
		e.Term = term
		if _, err := g.Propose(e).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		stale := entryOf(id, 1, 1, 50) // would overwrite the row
		stale.Term = term - 1
		if _, err := g.Propose(stale).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.look(func() {
			if l.void != 1 {
				t.Errorf("%d entries came without rows", l.void)
			}
		})
		v, closer, err := n.store.Get(rowKey(id, 1, 0))
		if err != nil || len(v) != 100 {
			t.Errorf("the stale entry has overwritten the row: %d bytes, %v", len(v), err)
		}
		_ = closer.Close()
		n.close()
	})
}

func TestHaltedGroup(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, l := n.ready(3)
	put(t, g, 0, 10, 1, 10)
	broken := errors.New("an invariant is broken")
	l.look(func() { l.fail = broken })
	_, err := g.Propose(entryOf(3, 10, 1, 10)).Wait(t.Context())
	if !raftlog.MayBeStored(err) || !errors.Is(err, broken) {
		t.Errorf("the entry that halts: %v", err)
	}
	_, err = g.Propose(entryOf(3, 11, 1, 10)).Wait(t.Context())
	if !errors.Is(err, raftlog.ErrQuarantined) || !errors.Is(err, broken) || raftlog.MayBeStored(err) || raftlog.Retryable(err) {
		t.Errorf("the entry after it: %v", err)
	}
	if s := g.Status(); s.State != "quarantined" || !errors.Is(s.Quarantined, broken) || s.Applied != 13 {
		t.Errorf("status %+v", s)
	}
	n.mu.Lock()
	if !errors.Is(n.quarantined[3], broken) {
		t.Errorf("told: %v", n.quarantined[3])
	}
	n.mu.Unlock()
	other, _ := n.ready(4) // the others go on
	put(t, other, 0, 10, 1, 10)
	n.close()
}

func TestUnknownVersionHalts(t *testing.T) {
	n := startNode(t, nodeConfig{dir: t.TempDir()})
	g, l := n.ready(3)
	_, err := g.Propose(raftlog.Entry{}).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enc := raftlog.NewEntryBuilder(0).Finish(0, []byte("from the future"))
	enc.Bytes()[enc.Len()-8]++ // the version
	if _, err := g.ProposeEncoded(enc).Wait(t.Context()); !raftlog.MayBeStored(err) {
		t.Errorf("entry of another version: %v", err)
	}
	if l.applied != 1 {
		t.Errorf("%d entries were applied", l.applied)
	}
	n.close()
}
