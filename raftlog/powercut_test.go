package raftlog_test

import (
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

var cuts = flag.Int("cuts", 300, "how many power cuts TestPowerCuts makes")

// pulledPlug cuts the power once, when it has counted down: a part of what was
// not synced is lost.
type pulledPlug struct {
	fs    *storage.MemFS
	rng   *rand.Rand
	after atomic.Int64
	acked map[raftlog.GroupID]*atomic.Uint64
	once  sync.Once
	done  chan struct{}

	clone *storage.MemFS
	floor map[raftlog.GroupID]uint64 // acknowledged before the cut
}

func (p *pulledPlug) count() {
	if p.after.Add(-1) < 0 {
		p.once.Do(func() {
			for id, n := range p.acked {
				p.floor[id] = n.Load()
			}
			p.clone = p.fs.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: p.rng})
			close(p.done)
		})
	}
}

// TestPowerCuts runs two groups through one power cut after the other, each
// starting from what the one before has left. Cuts fall between the append and
// the apply of an entry, between apply and answer, and anywhere else.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		*cuts = min(*cuts, 60)
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	fs := storage.NewCrashableMem()
	floor := map[raftlog.GroupID]uint64{}
	for i := range *cuts {
		p := &pulledPlug{fs: fs, rng: rng, done: make(chan struct{}), floor: map[raftlog.GroupID]uint64{}, acked: map[raftlog.GroupID]*atomic.Uint64{}}
		p.after.Store(rng.Int64N(40))
		runUntilCut(t, p, rng.IntN(3), floor)
		if t.Failed() {
			t.Fatalf("after cut %d of seed %d", i, seed)
		}
		fs, floor = p.clone, p.floor
	}
	t.Logf("acknowledged %v entries through %d cuts", floor, *cuts)
}

// A memtable has room for few segments, so that many of them begin a new one.
const (
	cutMemtable = 48 << 10
	cutRow      = 400
)

func runUntilCut(t *testing.T, p *pulledPlug, where int, floor map[raftlog.GroupID]uint64) {
	n := startNode(t, nodeConfig{dir: "store", fs: p.fs, memtableBytes: cutMemtable, edit: func(c *raftlog.Config) {
		c.Truncation = raftlog.Truncation{Trailing: 8, Threshold: 16, Interval: 5 * time.Millisecond}
		switch where {
		case 0:
			c.Observe.LogWritten = func(raftlog.GroupID, int, int, time.Duration) { p.count() }
		case 1:
			c.Observe.Applied = func(raftlog.GroupID, int, time.Duration) { p.count() }
		}
	}})
	ids := []raftlog.GroupID{0, 7}
	for _, id := range ids {
		p.acked[id] = new(atomic.Uint64)
		p.acked[id].Store(floor[id])
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		g, l := n.ready(id)
		checkSurvived(t, n, g, l, floor[id])
		next := l.count
		wg.Go(func() { load(t, p, g, next, where == 2) })
	}
	<-p.done
	wg.Wait()
	n.close()
}

// checkSurvived holds state, rows and the absence of other rows against the
// numbers that were put.
func checkSurvived(t *testing.T, n *node, g *raftlog.Group, l *ledger, floor uint64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count < floor {
		t.Errorf("group %d: %d entries were acknowledged, %d have survived", g.ID(), floor, l.count)
	}
	if l.hash != hashOf(l.count) {
		t.Errorf("group %d: the state of %d entries is not that of their replay", g.ID(), l.count)
	}
	checkAllRows(t, n.store, g.ID(), l.count)
}

// checkAllRows wants the rows of numbers below count to be there, and no
// others. The values of old ones were looked at after earlier cuts.
func checkAllRows(t *testing.T, s *storage.Store, id raftlog.GroupID, count uint64) {
	t.Helper()
	lo, hi := key.AllBlockBounds(id)
	it, err := s.NewIter(lo, hi)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = it.Close() }()
	rows := uint64(0)
	for ok := it.First(); ok; ok = it.Next() {
		number, i := rows/2, int(rows%2)
		known := number+300 < count
		if !known && (string(it.Key()) != string(rowKey(id, number, i)) || string(it.Value()) != string(rowValue(number, i, cutRow))) {
			t.Errorf("group %d: row %x in place of row %d of entry %d", id, it.Key(), i, number)
		}
		rows++
	}
	if rows != 2*count || it.Error() != nil {
		t.Errorf("group %d: %d rows of %d entries (%v)", id, rows, count, it.Error())
	}
}

func load(t *testing.T, p *pulledPlug, g *raftlog.Group, next uint64, count bool) {
	const window = 6
	var flying []*raftlog.Proposal
	for {
		for len(flying) < window {
			flying = append(flying, g.Propose(entryOf(g.ID(), next+uint64(len(flying)), 2, cutRow)))
		}
		if _, err := flying[0].Wait(t.Context()); err != nil {
			t.Errorf("group %d: %v", g.ID(), err)
			p.after.Store(0)
			p.count()
			return
		}
		next++
		flying = flying[1:]
		p.acked[g.ID()].Store(next)
		if count {
			p.count()
		}
		select {
		case <-p.done:
			return
		default:
		}
	}
}
