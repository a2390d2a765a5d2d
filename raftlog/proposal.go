package raftlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// Proposal is an entry on its way.
type Proposal struct {
	done   chan struct{}
	once   sync.Once
	answer any
	err    error
}

func newProposal() *Proposal { return &Proposal{done: make(chan struct{})} }

func refused(err error) *Proposal {
	p := newProposal()
	p.finish(nil, err)
	return p
}

// finish tells the outcome. Only the first call counts.
func (p *Proposal) finish(answer any, err error) {
	p.once.Do(func() {
		p.answer, p.err = answer, err
		close(p.done)
	})
}

// Done is closed when the outcome is known.
func (p *Proposal) Done() <-chan struct{} { return p.done }

// Wait returns the state machine's answer to the entry, or why there is none:
// ErrNotLeader, ErrUnknownOutcome, ErrStopped, ErrQuarantined, or the error of
// ctx, after which the entry is still on its way.
func (p *Proposal) Wait(ctx context.Context) (any, error) {
	select {
	case <-p.done:
		return p.answer, p.err
	default:
	}
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// outcome turns the library's errors into ours.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return ErrNotLeader // told before anything was written
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// inflight counts what must end before a group may stop: the library forgets
// what it still holds then, and who waits for it would wait for ever.
type inflight struct {
	mu    sync.Mutex
	n     int
	shut  bool
	empty chan struct{}
}

// add fails once the count is being drained.
func (i *inflight) add() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.shut {
		return false
	}
	i.n++
	return true
}

func (i *inflight) done() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.n--; i.n == 0 && i.shut {
		close(i.empty)
	}
}

// drain lets nothing in any more. The channel is closed when all is done. It is
// called once.
func (i *inflight) drain() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shut, i.empty = true, make(chan struct{})
	if i.n == 0 {
		close(i.empty)
	}
	return i.empty
}

// follower waits for the library's futures, one after the other: they end in
// about the order of the log.
type follower struct {
	queue chan followed
	quit  chan struct{}
	work  *inflight
	halt  func() error // why the group has halted

	mu      sync.Mutex
	open    map[*Proposal]struct{}
	stopped bool
}

type followed struct {
	p      *Proposal
	future raft.Future
}

// followQueue is how many proposals wait to be waited for, before Propose
// blocks; the library holds less before it blocks itself.
const followQueue = 1024

func newFollower(work *inflight, halt func() error) *follower {
	f := &follower{
		queue: make(chan followed, followQueue), quit: make(chan struct{}), work: work, halt: halt,
		open: map[*Proposal]struct{}{},
	}
	go f.run()
	return f
}

// follow promises the outcome of a future. The caller has added it to work.
func (f *follower) follow(future raft.Future) *Proposal {
	p := newProposal()
	f.mu.Lock()
	if f.stopped {
		f.mu.Unlock()
		f.work.done()
		p.finish(nil, f.lost())
		return p
	}
	f.open[p] = struct{}{}
	f.mu.Unlock()
	select {
	case f.queue <- followed{p, future}:
	case <-f.quit: // stop has seen it
	}
	return p
}

// lost is the outcome of what nobody follows any more.
func (f *follower) lost() error {
	if err := f.halt(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return fmt.Errorf("%w: the group has stopped", ErrUnknownOutcome)
}

func (f *follower) run() {
	for {
		select {
		case <-f.quit:
			return
		case w := <-f.queue:
			f.await(w)
		}
	}
}

func (f *follower) await(w followed) {
	if err := w.future.Error(); err != nil {
		f.end(w.p, nil, outcome(err))
		return
	}
	apply, ok := w.future.(raft.ApplyFuture)
	if !ok {
		f.end(w.p, nil, nil)
		return
	}
	answer := apply.Response()
	if answer == error(errHalted) {
		f.end(w.p, nil, fmt.Errorf("%w: the entry is in the log, but %w", ErrUnknownOutcome, f.halt()))
		return
	}
	f.end(w.p, answer, nil)
}

func (f *follower) end(p *Proposal, answer any, err error) {
	p.finish(answer, err)
	f.mu.Lock()
	_, ok := f.open[p]
	delete(f.open, p)
	f.mu.Unlock()
	if ok {
		f.work.done()
	}
}

// stop ends the following, and whatever the library has left without an answer.
// It may be called again. If the library never answers what is awaited at the
// moment, the goroutine that follows is lost: that happens only when the store
// has failed.
func (f *follower) stop() {
	f.mu.Lock()
	left := make([]*Proposal, 0, len(f.open))
	for p := range f.open {
		left = append(left, p)
	}
	if !f.stopped {
		close(f.quit)
	}
	f.stopped = true
	f.mu.Unlock()
	for _, p := range left {
		f.end(p, nil, f.lost())
	}
}
