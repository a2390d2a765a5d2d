package raftlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/logstore"
	"github.com/runnel-io/runnel/raftlog/snapshot"
	"github.com/runnel-io/runnel/storage"
)

// What the library is run with. Of the timeouts design decides: shorter ones
// cost elections when a disk is slow, longer ones cost time without a leader.
const (
	heartbeatTimeout = 1200 * time.Millisecond
	leaderLease      = 900 * time.Millisecond
	commitTimeout    = 500 * time.Millisecond
	// maxAppendEntries bounds how many proposals share one batch of the log, and
	// one of the state.
	maxAppendEntries = 64

	// patience is how long a stopping group waits for proposals under way; a
	// broken one does not wait long.
	patience       = 10 * time.Second
	brokenPatience = time.Second
)

func (g *Group) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.host.cfg.NodeID)
	c.HeartbeatTimeout, c.ElectionTimeout = heartbeatTimeout, heartbeatTimeout
	c.LeaderLeaseTimeout, c.CommitTimeout = leaderLease, commitTimeout
	c.MaxAppendEntries, c.BatchApplyCh = maxAppendEntries, true
	c.ShutdownOnRemove = false
	c.NoSnapshotRestoreOnStart = true
	c.NoLegacyTelemetry = true
	t := g.host.cfg.Truncation
	c.TrailingLogs, c.SnapshotThreshold, c.SnapshotInterval = t.Trailing, t.Threshold, t.Interval
	c.Logger = logger{out: g.log, name: "raft"}
	return c
}

// open brings the group up to the point where it votes and answers.
func (g *Group) open(sm StateMachine) error {
	h := g.host
	applied, snap, err := snapshot.Load(h.cfg.Store, g.id)
	if err != nil {
		return err
	}
	g.fsm = newFSM(g.id, sm, applied)
	g.fsm.store, g.fsm.inLog = h.cfg.Store, h.logFile(g.id) == ""
	g.fsm.halt, g.fsm.fatal, g.fsm.watch = g.quarantine, h.onFatal, h.cfg.Observe.Applied
	g.snaps = snapshot.NewStore(h.cfg.Store, g.id, applied, snap)

	c := h.logConfig(g.id, g.settled)
	c.OnDamage = g.quarantine
	if f := h.cfg.Observe.LogWritten; f != nil {
		c.OnWritten = func(entries, bytes int, took time.Duration) { f(g.id, entries, bytes, took) }
	}
	if g.logs, err = logstore.Open(c); err != nil {
		return err
	}
	latest := g.snaps.Latest()
	if err := g.logs.Check(latest.Index, latest.Term); err != nil {
		return err
	}
	if err := sm.Restore(h.cfg.Store); err != nil {
		return fmt.Errorf("%w: restore the state machine: %w", storage.ErrCorrupt, err)
	}
	if err := g.shorten(); err != nil {
		return err
	}
	return g.start()
}

// settled is the index up to which the state machine needs no entry any more.
// It may be ahead of what is applied by entries that are none of its business.
func (g *Group) settled() uint64 { return max(g.fsm.applied(), g.snaps.Latest().Index) }

// shorten cuts a log that has grown over many short runs, none of which came to
// the library's own threshold.
func (g *Group) shorten() error {
	first, _ := g.logs.FirstIndex()
	last, _ := g.logs.LastIndex()
	t := g.host.cfg.Truncation
	if last-first < 2*(t.Trailing+t.Threshold) {
		return nil
	}
	s := g.snaps.Latest()
	s.Applied = g.Applied()
	if err := g.snaps.Take(s); err != nil {
		return err
	}
	return g.logs.DeleteRange(first, min(s.Applied, last-t.Trailing))
}

func (g *Group) start() error {
	t, elect, err := g.transport()
	if err != nil {
		return err
	}
	r, err := newRaft(g.raftConfig(), g.fsm, g.logs, g.snaps, t)
	if err != nil {
		if p := g.host.failed.Load(); p != nil {
			err = *p // it is not the group that is broken
		}
		return errors.Join(err, t.Close())
	}
	g.raft = r
	r.RegisterObserver(raft.NewObserver(nil, false, g.observe))
	g.logs.Run()
	if elect != nil && g.alone() {
		if err := elect(); err != nil { // then it comes when no leader has been heard of for long
			g.log.Warn("the election comes late", "error", err)
		}
	}
	return nil
}

// transport connects the group; elect is there if it is connected with nobody.
func (g *Group) transport() (t guarded, elect func() error, err error) {
	if tr := g.host.cfg.Transport; tr != nil {
		peers, err := tr.Group(g.id)
		if err != nil {
			return t, nil, err
		}
		t, err = guard(peers, g.logs.Stuck)
		return t, nil, err
	}
	l := newLoopback(g.host.cfg.NodeID)
	t, err = guard(l, g.logs.Stuck)
	return t, l.elect, err
}

// newRaft starts the library, which panics when it can not read its log.
func newRaft(c *raft.Config, f raft.FSM, logs *logstore.Log, snaps raft.SnapshotStore, t raft.Transport) (r *raft.Raft, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: start: %v", storage.ErrCorrupt, p)
		}
	}()
	return raft.NewRaft(c, f, logs, logs, snaps, t)
}

// alone tells whether this node is the only voter.
func (g *Group) alone() bool {
	voters := 0
	self := false
	for _, s := range g.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters++
			self = self || string(s.ID) == g.host.cfg.NodeID
		}
	}
	return self && voters == 1
}

// quarantine takes the group out of service, for as long as it is open: it
// neither votes nor answers. It does not block.
func (g *Group) quarantine(reason error) {
	if !g.damage.CompareAndSwap(nil, &reason) {
		return
	}
	g.nudge()
	if g.host.failed.Load() == nil { // else it is not the group that is broken
		g.log.Error("group is out of service", "reason", reason)
		if f := g.host.cfg.OnQuarantine; f != nil {
			f(g.id, reason)
		}
	}
	g.stop()
}

func (g *Group) isGone() bool {
	select {
	case <-g.gone:
		return true
	default:
		return false
	}
}

// stop begins to stop the group, once.
func (g *Group) stop() { g.stopping.Do(func() { go g.teardown() }) }

func (g *Group) teardown() {
	defer close(g.gone)
	<-g.opened
	drained := g.work.drain()
	wait := patience
	if g.refusal() != nil {
		wait = brokenPatience
	}
	if g.host.failed.Load() != nil {
		g.follower.stop() // the library may not answer any more
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-drained:
	case <-g.hurry:
	case <-late.C:
	}
	err := g.shutdown()
	g.follower.stop()
	if err == nil && g.logs != nil {
		err = g.logs.Close()
	}
	g.closeErr = err
	g.nudge()
}

// shutdown stops the library. If the store has failed, it may be stuck in a
// write that never returns: then it is left to the end of the process, and so
// is the log.
func (g *Group) shutdown() error {
	if g.raft == nil {
		return nil
	}
	down := make(chan struct{})
	go func() {
		defer close(down)
		_ = g.raft.Shutdown().Error() // it has none
	}()
	select {
	case <-down:
		return nil
	case <-g.host.dead:
	}
	select {
	case <-down:
		return nil
	case <-time.After(brokenPatience):
		return fmt.Errorf("the group hangs in a store that has failed: %w", g.refusal())
	}
}

// Close stops the group: proposals under way are awaited as long as ctx
// allows, later ones fail with ErrStopped. If ctx ends before the group has
// stopped, it goes on stopping alone.
func (g *Group) Close(ctx context.Context) error {
	g.stop()
	select {
	case <-g.gone:
	case <-ctx.Done():
		g.hurried.Do(func() { close(g.hurry) })
		return fmt.Errorf("stop group %d: %w", g.id, ctx.Err())
	}
	if g.closeErr != nil {
		return fmt.Errorf("stop group %d: %w", g.id, g.closeErr)
	}
	return nil
}
