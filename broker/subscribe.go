package broker

import (
	"context"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// Subscription is a reader that waits. It holds no block between two calls of
// Next and owns no goroutine: who does not call costs nothing. One goroutine
// may use it at a time.
type Subscription struct {
	b       *Broker
	r       reader
	next    stream.Position
	arrived int64 // of the last record delivered, 0 before the first
	closed  bool
}

// Subscribe begins to read a shard at a place. It charges no read quota.
func (b *Broker) Subscribe(ctx context.Context, name, shard string, from From) (*Subscription, error) {
	if b.ctx.Err() != nil {
		return nil, errStopping
	}
	r, err := b.readable(name, shard)
	if err != nil {
		return nil, err
	}
	next, err := b.locate(ctx, r, from, "SubscribeToShard")
	if err != nil {
		return nil, err
	}
	return &Subscription{b: b, r: r, next: next}, nil
}

// Shard is the shard that is read.
func (s *Subscription) Shard() ShardInfo { return shardInfo(s.r.shard) }

// Position is the place of the next record to deliver.
func (s *Subscription) Position() stream.Position { return s.next }

// Next waits until there are records after those it has returned, and returns
// them: whole blocks of at most maxBytes, or one that is larger. At the end of a
// closed shard it returns an event with Ended set and the children; after that
// it returns the same again. The error is the context's, or a *stream.Error. A
// ctx that has ended already still gets what is there.
func (s *Subscription) Next(ctx context.Context, maxBytes int) (SubscriptionEvent, error) {
	if s.closed {
		return SubscriptionEvent{}, stream.Errorf(stream.CodeUnavailable, "the subscription is closed")
	}
	for {
		if s.b.ctx.Err() != nil {
			return SubscriptionEvent{}, errStopping
		}
		p, err := s.read(maxBytes)
		if err != nil {
			return SubscriptionEvent{}, err
		}
		s.next = p.next
		s.r.shard = p.shard
		if p.records > 0 || p.ended {
			if p.records > 0 {
				s.arrived = p.arrived
				s.b.served(s.r, p)
			}
			return s.event(p), nil
		}
		if err := s.wait(ctx); err != nil {
			return SubscriptionEvent{}, err
		}
	}
}

func (s *Subscription) read(maxBytes int) (part, error) {
	return s.b.readPart(s.r, s.next, stream.MaxReadRecords, max(maxBytes, 1), (*part).fillWhole)
}

func (s *Subscription) event(p part) SubscriptionEvent {
	return SubscriptionEvent{
		Shard: shardInfo(s.r.shard), Blocks: p.blocks, Continuation: s.continuation(), Next: s.next,
		MillisBehind: p.behindMs, Ended: p.ended, Children: p.children,
	}
}

// continuation is the number just before the next position.
func (s *Subscription) continuation() stream.Sequence {
	seq := stream.StartingSequence(s.r.shard.CreatedSec, s.r.shard.ID.Index)
	if s.next > 1 {
		seq.Position = s.next - 1
		if s.arrived > 0 {
			seq.ArrivedSec = s.arrived / 1000
		}
	}
	return seq
}

// Idle is what to tell a subscriber that has heard nothing for a while.
func (s *Subscription) Idle() SubscriptionEvent { return s.event(part{}) }

// wait returns when reading again may give something else.
func (s *Subscription) wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.b.ctx, cancel)
	defer stop()
	st, err := s.b.state(s.r)
	if err != nil {
		return err
	}
	if st.Phase == shardlog.Closed && s.next > st.LastPosition {
		err = s.waitForChildren(ctx)
	} else {
		err = s.r.group.machine.Wait(ctx, s.r.shard.ID, s.next)
	}
	if err != nil && s.b.ctx.Err() != nil {
		return errStopping
	}
	return s.b.readError(s.r, err)
}

// waitForChildren returns when the map has flipped.
func (s *Subscription) waitForChildren(ctx context.Context) error {
	for {
		now, ok := s.b.meta.StreamByID(s.r.stream.ID)
		if !ok {
			return s.b.account.ShardGone(s.r.shard.ID.Index, s.r.stream.Name)
		}
		if sh, ok := now.Shard(s.r.shard.ID.Index); !ok || sh.Phase == metadata.Closed {
			return nil
		}
		select {
		case <-now.Superseded():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the subscription.
func (s *Subscription) Close() { s.closed = true }
