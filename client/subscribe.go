package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// DefaultCredit is how many bytes of blocks a subscription lets the server have
// under way.
const DefaultCredit = 4 << 20

// A SubscribeOption changes how Subscribe and Follow read.
type SubscribeOption func(*subscribing)

type subscribing struct {
	credit        int
	idle          bool
	shards        []string
	untilCaughtUp bool
}

// WithCredit bounds the bytes of blocks that wait, unread, on their way to this
// subscription and in it. The default is DefaultCredit.
func WithCredit(bytes int) SubscribeOption { return func(s *subscribing) { s.credit = bytes } }

// WithIdle lets Next return empty batches, every few seconds, while nothing new
// comes: they tell MillisBehind.
func WithIdle() SubscribeOption { return func(s *subscribing) { s.idle = true } }

// Subscription reads a shard as it grows. One goroutine uses it at a time; Close
// may be called by any.
type Subscription struct {
	client *Client
	name   string
	shard  string
	from   From // where to go on
	opts   subscribing

	ctx    context.Context
	cancel context.CancelFunc

	push    runnelv1.RecordService_SubscribeClient // nil: not connected
	of      shardOf
	granted int  // credit given and not used up by blocks that came
	ended   bool // everything of a closed shard was read
	failed  int  // attempts since the last message

	mu          sync.Mutex
	calls       int                // of Next
	interrupted bool               // the context of the last one has ended
	hangUp      context.CancelFunc // ends push, or the attempt to open it; nil: neither
}

// Subscribe reads a shard from the place on, record by record as they are
// stored. When the connection or the server is lost it goes on with the next
// record as soon as there is a server again, however long that takes; ctx or
// Close ends it.
func (c *Client) Subscribe(ctx context.Context, name, shard string, from From, opts ...SubscribeOption) (*Subscription, error) {
	s, err := c.subscription(ctx, name, shard, from, opts)
	if err != nil {
		return nil, err
	}
	// The first connection tells of a stream or shard that does not exist.
	if err := c.do(ctx, func(context.Context) error { return s.connect() }); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// subscription is one that connects when it is first asked for records.
func (c *Client) subscription(ctx context.Context, name, shard string, from From, opts []SubscribeOption) (*Subscription, error) {
	s := &Subscription{client: c, name: name, shard: shard, from: from, opts: subscribing{credit: DefaultCredit}}
	for _, o := range opts {
		o(&s.opts)
	}
	if s.opts.credit <= 0 {
		return nil, stream.Errorf(stream.CodeValidation, "credit of %d bytes", s.opts.credit)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() { s.cancel() }

// Next waits for records. io.EOF follows the batch that had Ended set. An error
// that may pass is not returned: the subscription then resumes. The end of ctx
// ends only this call; the next one goes on with the same record.
func (s *Subscription) Next(ctx context.Context) (*Batch, error) {
	call := s.begin()
	stop := context.AfterFunc(ctx, func() { s.interrupt(call) })
	defer stop()
	for {
		b, err := s.try()
		switch {
		case err == nil && b == nil:
			continue
		case err == nil && (b.Ended || len(b.blocks) > 0 || s.opts.idle):
			return b, nil
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && s.ended:
			return nil, io.EOF
		}
		if err := s.recover(ctx, err); err != nil {
			return nil, err
		}
	}
}

// recover hangs up and waits before the next attempt, or returns what ends the
// subscription.
func (s *Subscription) recover(ctx context.Context, err error) error {
	s.disconnect()
	switch {
	case ctx.Err() != nil:
		return stream.Wrap(stream.CodeUnavailable, ctx.Err(), "the subscription was given up")
	case s.client.ctx.Err() != nil:
		return closedError()
	case s.ctx.Err() != nil:
		return stream.Wrap(stream.CodeUnavailable, s.ctx.Err(), "the subscription is closed")
	case !stream.CodeOf(err).Retryable():
		return err
	}
	s.failed++
	t := time.NewTimer(s.client.cfg.retry.pause(s.failed))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.ctx.Done():
	case <-s.client.ctx.Done():
	}
	return nil
}

// try receives a message over the present connection, or makes one. nil without an
// error: the message tells nothing about records.
func (s *Subscription) try() (*Batch, error) {
	if s.ended {
		return nil, io.EOF
	}
	if s.push == nil {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	// The caller has done with all that came. Little is granted together with more.
	if missing := s.opts.credit - s.granted; missing >= max(1, s.opts.credit/4) {
		if err := s.grant(missing); err != nil {
			return nil, wire.FromStatus(err)
		}
	}
	resp, err := s.push.Recv()
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	s.failed = 0
	switch r := resp.GetResponse().(type) {
	case *runnelv1.SubscribeResponse_Blocks:
		return s.batch(r.Blocks)
	case *runnelv1.SubscribeResponse_Starved:
		need := max(int(min(r.Starved.GetNeeded(), maxReceive)), s.opts.credit)
		return nil, wire.FromStatus(s.grant(need - s.granted))
	case *runnelv1.SubscribeResponse_End:
		s.ended = true
		s.disconnect()
		return &Batch{Shard: s.shard, shard: s.of, Ended: true, Children: children(r.End.GetChildren())}, nil
	}
	return nil, nil // a message of a newer server
}

func (s *Subscription) batch(m *runnelv1.SubscribeBlocks) (*Batch, error) {
	blocks, err := parseBlocks(m.GetBlocks())
	if err != nil {
		return nil, err
	}
	next := stream.Position(m.GetNext())
	b := &Batch{Shard: s.shard, MillisBehind: m.GetMillisBehind(), shard: s.of, blocks: blocks, next: next}
	for _, blk := range m.GetBlocks() {
		s.granted -= len(blk.GetEncoded())
	}
	s.from = atPosition(next)
	return b, nil
}

func (s *Subscription) grant(bytes int) error {
	if bytes <= 0 {
		return nil
	}
	s.granted += bytes
	err := s.push.Send(&runnelv1.SubscribeRequest{Request: &runnelv1.SubscribeRequest_Grant{
		Grant: &runnelv1.SubscribeGrant{Bytes: uint64(bytes)},
	}})
	if errors.Is(err, io.EOF) { // what has come already is still to be read, and then why
		return nil
	}
	return err
}

// begin numbers the calls of Next.
func (s *Subscription) begin() (call int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.interrupted = false
	return s.calls
}

// interrupt hangs up what a call of Next does, unless it has returned.
func (s *Subscription) interrupt(call int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call != s.calls {
		return
	}
	s.interrupted = true
	if s.hangUp != nil {
		s.hangUp()
	}
}

// connect opens a stream and waits for the server to say where it starts.
func (s *Subscription) connect() error {
	ctx, cancel := context.WithCancel(s.ctx)
	stopClient := context.AfterFunc(s.client.ctx, cancel)
	s.mu.Lock()
	s.hangUp = func() { stopClient(); cancel() }
	if s.interrupted {
		s.hangUp()
	}
	s.mu.Unlock()

	late := time.AfterFunc(s.client.cfg.attemptTimeout, cancel)
	push, err := s.start(ctx)
	if !late.Stop() && err == nil {
		err = stream.Errorf(stream.CodeUnavailable, "the subscription did not start within %v", s.client.cfg.attemptTimeout)
	}
	if err != nil {
		s.disconnect()
		if s.client.ctx.Err() != nil {
			return closedError()
		}
		return err
	}
	s.push = push
	return nil
}

func (s *Subscription) start(ctx context.Context) (runnelv1.RecordService_SubscribeClient, error) {
	push, err := s.client.records().Subscribe(ctx)
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	start := &runnelv1.SubscribeStart{Stream: s.name, Shard: s.shard, From: s.from.message(), Credit: uint64(s.opts.credit)}
	if err := push.Send(&runnelv1.SubscribeRequest{Request: &runnelv1.SubscribeRequest_Start{Start: start}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, wire.FromStatus(err)
	}
	resp, err := push.Recv()
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	started := resp.GetStarted()
	if started == nil {
		return nil, stream.Errorf(stream.CodeInternal, "the server did not say where the subscription starts")
	}
	s.of = shardOf{started.GetCreatedSec(), started.GetShard()}
	s.from = atPosition(stream.Position(started.GetNext()))
	s.granted = s.opts.credit
	return push, nil
}

func (s *Subscription) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hangUp != nil {
		s.hangUp()
	}
	s.push, s.hangUp = nil, nil
}
