package raftlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/raftlog/logstore"
	"github.com/runnel-io/runnel/raftlog/snapshot"
)

// Group is this node's copy of one Raft group. Its methods may be called by
// many goroutines.
type Group struct {
	host *Host
	id   GroupID
	log  *slog.Logger

	fsm   *fsm
	logs  *logstore.Log
	snaps *snapshot.Store
	raft  *raft.Raft

	work     inflight
	follower *follower

	damage    atomic.Pointer[error]
	readyTerm atomic.Uint64
	nudges    chan struct{}
	changeMu  sync.Mutex
	change    chan struct{} // closed and replaced with every change

	opened   chan struct{}
	stopping sync.Once
	hurry    chan struct{}
	hurried  sync.Once
	gone     chan struct{}
	closeErr error // after gone
}

func newGroup(h *Host, id GroupID) *Group {
	g := &Group{
		host: h, id: id, log: h.cfg.Logger.With("group", id),
		nudges: make(chan struct{}, 1), change: make(chan struct{}),
		opened: make(chan struct{}), hurry: make(chan struct{}), gone: make(chan struct{}),
	}
	g.follower = newFollower(&g.work, g.refusal)
	return g
}

// ID is the group's number.
func (g *Group) ID() GroupID { return g.id }

// refusal is why the group takes no proposals, nil if it does.
func (g *Group) refusal() error {
	if p := g.host.failed.Load(); p != nil {
		return fmt.Errorf("%w: %w", ErrStopped, *p)
	}
	if p := g.damage.Load(); p != nil {
		return fmt.Errorf("%w: %w", ErrQuarantined, *p)
	}
	return nil
}

// enter begins something that must end before the group may stop.
func (g *Group) enter() error {
	if err := g.refusal(); err != nil {
		return err
	}
	if !g.work.add() {
		return cmp.Or(g.refusal(), ErrStopped)
	}
	return nil
}

// Propose encodes an entry and proposes it, as ProposeEncoded does.
func (g *Group) Propose(e Entry) *Proposal { return g.ProposeEncoded(entry.Encode(e)) }

// ProposeEncoded proposes an entry. It returns at once unless very many
// proposals wait for the disk already. Proposals of one goroutine enter the log
// in the order of the calls.
func (g *Group) ProposeEncoded(e Encoded) *Proposal {
	if err := g.enter(); err != nil {
		return refused(err)
	}
	return g.follower.follow(g.raft.ApplyLog(raft.Log{Data: e.Bytes()}, 0))
}

// Leadership tells whether this node leads the group, and the current term.
func (g *Group) Leadership() (isLeader bool, term uint64) {
	if g.raft == nil || g.refusal() != nil {
		return false, 0
	}
	for {
		term := g.raft.CurrentTerm()
		leads := g.raft.State() == raft.Leader
		if g.raft.CurrentTerm() == term {
			return leads, term
		}
	}
}

// LeadershipChanges gets a value soon after Leadership or LeaderID have
// changed; several changes may make one. There is one channel per group.
func (g *Group) LeadershipChanges() <-chan struct{} { return g.nudges }

// LeaderID is the node that leads the group, "" if unknown.
func (g *Group) LeaderID() string {
	if g.raft == nil || g.refusal() != nil {
		return ""
	}
	if g.raft.State() == raft.Leader { // which the library is a moment before it names itself
		return g.host.cfg.NodeID
	}
	_, id := g.raft.LeaderWithID()
	return string(id)
}

// changed is closed at the next change of leadership.
func (g *Group) changed() <-chan struct{} {
	g.changeMu.Lock()
	defer g.changeMu.Unlock()
	return g.change
}

// nudge tells of a change. It never blocks: the library's main loop calls it.
func (g *Group) nudge() {
	g.changeMu.Lock()
	close(g.change)
	g.change = make(chan struct{})
	g.changeMu.Unlock()
	select {
	case g.nudges <- struct{}{}:
	default:
	}
}

// observe is the filter of an observer that takes nothing: it is called where
// an observer that takes something could block.
func (g *Group) observe(o *raft.Observation) bool {
	switch o.Data.(type) {
	case raft.RaftState, raft.LeaderObservation:
		g.nudge()
	}
	return false
}

// again is how often something is looked at that may change without a nudge.
const again = 100 * time.Millisecond

// Ready waits until this node leads and has applied an entry of its own term,
// so that its state holds everything that any leader has acknowledged before.
// It fails with ErrNotLeader as soon as another node is known to lead.
func (g *Group) Ready(ctx context.Context) error {
	for {
		change := g.changed()
		if err := g.refusal(); err != nil {
			return err
		}
		leads, term := g.Leadership()
		if leads {
			err := g.catchUp(ctx, term)
			if err == nil || !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknownOutcome) {
				return err
			}
		} else if id := g.LeaderID(); id != "" && id != g.host.cfg.NodeID {
			return ErrNotLeader
		}
		retry := time.NewTimer(again)
		select {
		case <-change:
		case <-retry.C:
		case <-g.gone:
			return cmp.Or(g.refusal(), ErrStopped)
		case <-ctx.Done():
			retry.Stop()
			return ctx.Err()
		}
		retry.Stop()
	}
}

// catchUp waits until everything before now is applied in the term.
func (g *Group) catchUp(ctx context.Context, term uint64) error {
	if g.readyTerm.Load() == term {
		return nil
	}
	if err := g.enter(); err != nil {
		return err
	}
	if _, err := g.follower.follow(barrier{g.raft.Barrier(0)}).Wait(ctx); err != nil {
		return err
	}
	if leads, now := g.Leadership(); !leads || now != term {
		return ErrNotLeader
	}
	g.readyTerm.Store(term)
	return nil
}

// barrier hides that the library's barrier could be asked for an answer.
type barrier struct{ raft.Future }

// VerifyLeader is Ready, but fails with ErrNotLeader at once, and asks a
// majority whether this node leads still. What was acknowledged before the call
// is in the state when it returns nil.
func (g *Group) VerifyLeader(ctx context.Context) error {
	for {
		leads, term := g.Leadership()
		if err := g.refusal(); err != nil {
			return err
		}
		if !leads {
			return ErrNotLeader
		}
		if err := g.catchUp(ctx, term); err != nil {
			return err
		}
		if err := g.verify(ctx); err != nil {
			return err
		}
		if leads, now := g.Leadership(); leads && now == term {
			return nil
		}
	}
}

func (g *Group) verify(ctx context.Context) error {
	if err := g.enter(); err != nil {
		return err
	}
	answer := make(chan error, 1)
	go func() {
		defer g.work.done()
		answer <- g.raft.VerifyLeader().Error()
	}()
	select {
	case err := <-answer:
		if err != nil {
			return ErrNotLeader // nothing was proposed: any reason is this one
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Applied is the index of the last entry whose effects are published.
func (g *Group) Applied() uint64 {
	if g.fsm == nil {
		return 0
	}
	return g.fsm.applied()
}

// stuck is how long the log's write under way has lasted.
func (g *Group) stuck() time.Duration {
	if g.logs == nil {
		return 0
	}
	return g.logs.Stuck()
}
