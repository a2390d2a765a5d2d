package raftlog_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/storage/key"
)

var cuts = flag.Int("cuts", 150, "how many power cuts TestPowerCuts makes")

// plug cuts the power once, when it has counted down: a part of what was not
// synced is lost.
type plug struct {
	fs    *storage.MemFS
	rng   *rand.Rand
	after atomic.Int64
	told  map[raftlog.GroupID]*atomic.Uint64 // entries that somebody knows of
	once  sync.Once
	done  chan struct{}

	clone *storage.MemFS
	floor map[raftlog.GroupID]uint64 // told before the cut
}

func newPlug(fs *storage.MemFS, rng *rand.Rand, floor map[raftlog.GroupID]uint64) *plug {
	p := &plug{
		fs: fs, rng: rand.New(rand.NewPCG(rng.Uint64(), 0)), done: make(chan struct{}),
		told: map[raftlog.GroupID]*atomic.Uint64{}, floor: map[raftlog.GroupID]uint64{},
	}
	for _, id := range cutGroups {
		p.told[id] = new(atomic.Uint64)
		p.told[id].Store(floor[id])
	}
	return p
}

func (p *plug) count() {
	if p.after.Add(-1) < 0 {
		p.pull()
	}
}

func (p *plug) pull() {
	p.once.Do(func() {
		for id, n := range p.told {
			p.floor[id] = n.Load() // before the disk stops: what is told later need not be there
		}
		p.clone = p.fs.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: p.rng})
		close(p.done)
	})
}

// tell notes that so many entries of a group are known to somebody.
func (p *plug) tell(id raftlog.GroupID, entries uint64) {
	for {
		n := p.told[id].Load()
		if entries <= n || p.told[id].CompareAndSwap(n, entries) {
			return
		}
	}
}

// Where cuts fall. Counting operations of the disk reaches starts and stops, and
// writes amid which nothing else is counted.
const (
	afterAppend = iota
	afterApply
	afterAnswer
	amidDisk
	placesToCut
)

// A memtable has room for few segments, so that many of them begin a new one.
const (
	cutMemtable = 48 << 10
	cutRow      = 400
)

var cutGroups = []raftlog.GroupID{0, 7}

// TestPowerCuts runs two groups through one power cut after the other, each
// starting from what the one before has left. Nothing that was acknowledged or
// applied may be missing afterwards, and nothing else be there.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		*cuts = min(*cuts, 60)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	done, floor, err := powerCuts(t, seed, *cuts, func(fs storage.FS) storage.FS { return fs })
	if err != nil {
		t.Fatalf("after cut %d: %v", done, err)
	}
	t.Logf("%v entries have survived %d cuts", floor, done)
	if floor[0] < uint64(done) || floor[7] < uint64(done) {
		t.Errorf("only %v entries: does the test write?", floor)
	}
}

// TestPowerCutsNoticeALie proves that TestPowerCuts would notice a sync that was
// left out: the same on a disk that syncs nothing.
func TestPowerCutsNoticeALie(t *testing.T) {
	for seed := range uint64(5) {
		done, _, err := powerCuts(t, seed, 20, faultfs.DropSyncs)
		if err == nil {
			t.Fatalf("seed %d: a disk that syncs nothing has passed", seed)
		}
		t.Logf("seed %d: noticed after cut %d: %v", seed, done, err)
	}
}

func powerCuts(t *testing.T, seed uint64, cuts int, disk func(storage.FS) storage.FS) (done int, floor map[raftlog.GroupID]uint64, err error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := storage.NewCrashableMem()
	for done = range cuts {
		p := newPlug(fs, rng, floor)
		if err := runUntilCut(t, p, rng, disk); err != nil {
			return done, floor, err
		}
		fs, floor = p.clone, p.floor
	}
	return cuts, floor, nil
}

func runUntilCut(t *testing.T, p *plug, rng *rand.Rand, disk func(storage.FS) storage.FS) error {
	where, most := rng.IntN(placesToCut), uint64(1<<40)
	p.after.Store(rng.Int64N(40))
	fs := disk(p.fs)
	if where == amidDisk {
		p.after.Store(rng.Int64N(400))
		fs = faultfs.Hook(fs, func(string) error { p.count(); return nil })
		most = rng.Uint64N(30) // then the node stops by itself
	}
	n, err := plugIn(t, p, fs, where)
	if err != nil {
		return err
	}
	err = n.work(t.Context(), p, most, where == afterAnswer)
	err = errors.Join(err, n.host.Close(t.Context()), n.store.Close())
	p.pull()
	return err
}

// cutNode is a node whose power will be cut.
type cutNode struct {
	store  *storage.Store
	host   *raftlog.Host
	groups map[raftlog.GroupID]*raftlog.Group
	next   map[raftlog.GroupID]uint64
}

// plugIn starts a node and checks what it has.
func plugIn(t *testing.T, p *plug, fs storage.FS, where int) (*cutNode, error) {
	store, err := storage.Open(storage.Config{Dir: "store", FS: fs, MemtableBytes: cutMemtable, BlockCacheBytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	c := raftlog.Config{
		NodeID: "node-1", Store: store, FS: fs,
		Truncation: raftlog.Truncation{Trailing: 8, Threshold: 16, Interval: 5 * time.Millisecond},
	}
	switch where {
	case afterAppend:
		c.Observe.LogWritten = func(raftlog.GroupID, int, int, time.Duration) { p.count() }
	case afterApply:
		c.Observe.Applied = func(raftlog.GroupID, int, time.Duration) { p.count() }
	}
	host, err := raftlog.NewHost(c)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	n := &cutNode{store: store, host: host, groups: map[raftlog.GroupID]*raftlog.Group{}, next: map[raftlog.GroupID]uint64{}}
	for _, id := range cutGroups {
		if err := n.open(t.Context(), p, id); err != nil {
			return nil, errors.Join(fmt.Errorf("group %d: %w", id, err), host.Close(t.Context()), store.Close())
		}
	}
	return n, nil
}

func (n *cutNode) open(ctx context.Context, p *plug, id raftlog.GroupID) error {
	if err := n.host.Bootstrap(id); err != nil && !errors.Is(err, raftlog.ErrBootstrapped) {
		return err
	}
	l := &ledger{group: id, seen: func(count uint64) { p.tell(id, count) }}
	g, err := n.host.Open(id, l)
	if err != nil {
		return err
	}
	if err := g.Ready(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.groups[id], n.next[id] = g, l.count
	// While the node starts, no more is told than what there was.
	if floor := p.told[id].Load(); l.count < floor {
		return fmt.Errorf("%d entries were known, %d have survived", floor, l.count)
	}
	if l.hash != hashOf(l.count) {
		return fmt.Errorf("the state of %d entries is not that of their replay", l.count)
	}
	return checkAllRows(n.store, id, l.count)
}

// checkAllRows wants the rows of numbers below count to be there, and no
// others. The values of old ones were looked at after earlier cuts.
func checkAllRows(s *storage.Store, id raftlog.GroupID, count uint64) (err error) {
	lo, hi := key.AllBlockBounds(id)
	it, err := s.NewIter(lo, hi)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	rows := uint64(0)
	for ok := it.First(); ok; ok = it.Next() {
		number, i := rows/2, int(rows%2)
		known := number+300 < count
		if !known && (string(it.Key()) != string(rowKey(id, number, i)) || string(it.Value()) != string(rowValue(number, i, cutRow))) {
			return fmt.Errorf("row %x in place of row %d of entry %d", it.Key(), i, number)
		}
		rows++
	}
	if rows != 2*count {
		return fmt.Errorf("%d rows of %d entries", rows, count)
	}
	return it.Error()
}

// work puts entries into all groups until the power is cut, or so many.
func (n *cutNode) work(ctx context.Context, p *plug, most uint64, count bool) error {
	errs := make([]error, len(cutGroups))
	var wg sync.WaitGroup
	for i, id := range cutGroups {
		wg.Go(func() {
			if err := n.load(ctx, p, id, most, count); err != nil {
				errs[i] = fmt.Errorf("group %d: %w", id, err)
				p.pull() // ends the others
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *cutNode) load(ctx context.Context, p *plug, id raftlog.GroupID, most uint64, count bool) error {
	const window = 6
	var flying []*raftlog.Proposal
	next := n.next[id]
	for range most {
		for len(flying) < window {
			flying = append(flying, n.groups[id].Propose(entryOf(id, next+uint64(len(flying)), 2, cutRow)))
		}
		if _, err := flying[0].Wait(ctx); err != nil {
			return err
		}
		next++
		flying = flying[1:]
		p.tell(id, next)
		if count {
			p.count()
		}
		select {
		case <-p.done:
			return nil
		default:
		}
	}
	return nil
}
