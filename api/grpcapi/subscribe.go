package grpcapi

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// pushBytes is about how much one message of a subscription carries, unless a
// single block is larger.
const pushBytes = 512 << 10

type subscribeStream = grpc.BidiStreamingServer[runnelv1.SubscribeRequest, runnelv1.SubscribeResponse]

// pusher is one Subscribe call: one goroutine receives grants, one reads and
// sends. It reads only when there is credit, and keeps nothing while there is none.
type pusher[S Subscription] struct {
	service *recordService[S]
	grpc    subscribeStream
	start   *runnelv1.SubscribeStart
	sub     S
	credit  *credit
	at      stream.Position // of the next record to send
}

func (s *recordService[S]) Subscribe(gs subscribeStream) error {
	first, err := gs.Recv()
	if err != nil {
		return err
	}
	p := &pusher[S]{service: s, grpc: gs, start: first.GetStart()}
	if p.start == nil {
		return wire.Status(stream.Errorf(stream.CodeValidation, "a subscription begins with start"))
	}
	ctx, cancel := context.WithCancelCause(gs.Context())
	defer cancel(nil)
	if err := p.begin(ctx); err != nil {
		return wire.Status(err)
	}
	defer func() { p.sub.Close() }()
	go p.receive(cancel)
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		select {
		case <-s.cfg.Stopping:
			cancel(errStopping)
		case <-stopped:
		}
	}()
	err = p.push(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return wire.Status(err)
}

// begin finds the place and tells the client.
func (p *pusher[S]) begin(ctx context.Context) error {
	place, placeErr := from(p.start.GetFrom())
	if err := firstOf(stream.CheckName(p.start.GetStream()), checkShard(p.start.GetShard()), placeErr); err != nil {
		return err
	}
	sub, err := p.service.broker.Subscribe(ctx, p.start.GetStream(), p.start.GetShard(), place)
	if err != nil {
		return err
	}
	p.sub, p.at = sub, sub.Position()
	p.credit = newCredit(p.start.GetCredit())
	shard := sub.Shard()
	return p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Started{
		Started: &runnelv1.SubscribeStarted{CreatedSec: shard.Start.CreatedSec, Shard: shard.ID.Index, Next: uint64(p.at)},
	}})
}

// receive adds grants until the client has no more to give or is gone.
func (p *pusher[S]) receive(cancel context.CancelCauseFunc) {
	for {
		req, err := p.grpc.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			cancel(err)
			return
		case req.GetGrant() == nil:
			cancel(stream.Errorf(stream.CodeValidation, "after its start a subscription is sent grants only"))
			return
		}
		p.credit.add(req.GetGrant().GetBytes())
	}
}

// push reads and sends until the shard ends (nil) or the stream does. A client that
// has caught up when it begins is told so at once.
func (p *pusher[S]) push(ctx context.Context) error {
	told := false
	for {
		have, err := p.credit.atLeast(ctx, 1)
		if err != nil {
			return err
		}
		event, waited, err := p.next(ctx, int(min(have, pushBytes)), told)
		if err != nil {
			return err
		}
		told = true
		if waited {
			err = p.send(nil, 0)
		} else {
			err = p.sendAll(ctx, &event)
		}
		if err != nil || event.Ended {
			return err
		}
	}
}

// next waits for an event. waited tells that there was none for a while, or, if
// the client was not told anything yet, that there is none now.
func (p *pusher[S]) next(ctx context.Context, maxBytes int, told bool) (event broker.SubscriptionEvent, waited bool, err error) {
	wait := time.Duration(0)
	if told {
		wait = p.service.cfg.IdleEvery
	}
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	event, err = p.sub.Next(patience, maxBytes)
	if err != nil && patience.Err() != nil && ctx.Err() == nil && errors.Is(err, patience.Err()) {
		return event, true, nil
	}
	return event, false, err
}

// sendAll sends what the event has, as far as there is credit. If a block is larger
// than what is left, the rest is dropped and read again when there is enough.
func (p *pusher[S]) sendAll(ctx context.Context, e *broker.SubscriptionEvent) error {
	blocks := e.Blocks
	for len(blocks) > 0 {
		n, bytes := fitting(blocks, p.credit.left())
		if n == 0 {
			e.Blocks, e.Ended = nil, false
			return p.starve(ctx, len(blocks[0].Block.Encoded()))
		}
		p.credit.use(bytes)
		p.at = blocks[n-1].Last + 1
		behind := e.MillisBehind
		if n < len(blocks) {
			behind = max(1, behind)
		} else {
			p.at = max(p.at, e.Next)
		}
		if err := p.send(blocks[:n], behind); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	if e.Ended {
		return p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_End{
			End: &runnelv1.SubscribeEnd{Children: childMessages(e.Children)},
		}})
	}
	return nil
}

// fitting is how many of the blocks go into one message and the credit.
func fitting(blocks []broker.ReadBlock, credit uint64) (n int, bytes uint64) {
	for n < len(blocks) {
		more := uint64(len(blocks[n].Block.Encoded()))
		if bytes+more > credit || n > 0 && bytes+more > 2*pushBytes {
			break
		}
		bytes += more
		n++
	}
	return n, bytes
}

// starve tells the client what the next block takes and waits for it, holding
// nothing. It then begins anew where it stopped.
func (p *pusher[S]) starve(ctx context.Context, need int) error {
	err := p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Starved{
		Starved: &runnelv1.SubscribeStarved{Needed: uint64(need)},
	}})
	if err != nil {
		return err
	}
	if _, err := p.credit.atLeast(ctx, uint64(need)); err != nil {
		return err
	}
	p.sub.Close()
	p.sub, err = p.service.broker.Subscribe(ctx, p.start.GetStream(), p.start.GetShard(),
		broker.From{Kind: broker.AtPosition, Position: p.at})
	return err
}

func (p *pusher[S]) send(blocks []broker.ReadBlock, behind int64) error {
	m := &runnelv1.SubscribeBlocks{Next: uint64(p.at), MillisBehind: behind, Blocks: make([]*runnelv1.Block, len(blocks))}
	for i := range blocks {
		m.Blocks[i] = blockMessage(&blocks[i])
	}
	return p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Blocks{Blocks: m}})
}
