package raftlog

import "context"

// Proposal is an entry on its way.
type Proposal struct {
	done   chan struct{}
	answer any
	err    error
}

func newProposal() *Proposal { return &Proposal{done: make(chan struct{})} }

func refused(err error) *Proposal {
	p := newProposal()
	p.finish(nil, err)
	return p
}

func (p *Proposal) finish(answer any, err error) {
	p.answer, p.err = answer, err
	close(p.done)
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
