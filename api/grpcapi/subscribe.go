package grpcapi

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

type subscribeStream = grpc.BidiStreamingServer[runnelv1.SubscribeRequest, runnelv1.SubscribeResponse]

// pusher is one Subscribe call: one goroutine receives grants, one reads and
// sends. It reads only when there is credit, and keeps nothing while there is none.
type pusher[S Subscription] struct {
	service *recordService[S]
	grpc    subscribeStream
	end     context.CancelCauseFunc // ends the call
	started chan struct{}           // closed when start is there
	start   *runnelv1.SubscribeStart
	credit  *credit
	sub     S
	at      stream.Position // of the next record to send

	loans []*loan // of messages that may be on their way
	block int     // bytes of the largest block in the last message
}

func (s *recordService[S]) Subscribe(gs subscribeStream) error {
	ctx, cancel := context.WithCancelCause(gs.Context())
	defer cancel(nil)
	p := &pusher[S]{service: s, grpc: gs, end: cancel, started: make(chan struct{}), credit: newCredit(0)}
	go p.receive()
	go func() {
		select {
		case <-s.cfg.Stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	err := p.run(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return wire.Status(err)
}

// run waits for the start and pushes until the shard ends (nil) or ctx does.
func (p *pusher[S]) run(ctx context.Context) error {
	select {
	case <-p.started:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := p.begin(ctx); err != nil {
		return err
	}
	defer func() { p.sub.Close() }()
	p.service.pushes.join()
	defer p.service.pushes.leave()
	defer p.settle()
	return p.push(ctx)
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
	p.credit.add(p.start.GetCredit())
	shard := sub.Shard()
	return p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Started{
		Started: &runnelv1.SubscribeStarted{CreatedSec: shard.Start.CreatedSec, Shard: shard.ID.Index, Next: uint64(p.at)},
	}})
}

// receive hears the start, and adds grants until the client has no more to give or
// is gone.
func (p *pusher[S]) receive() {
	for {
		req, err := p.grpc.Recv()
		switch {
		case errors.Is(err, io.EOF) && p.start != nil:
			return
		case err != nil && !errors.Is(err, io.EOF):
			p.end(err)
			return
		case p.start == nil && req.GetStart() == nil:
			p.end(stream.Errorf(stream.CodeValidation, "a subscription begins with start"))
			return
		case p.start == nil:
			p.start = req.GetStart()
			close(p.started)
		case req.GetGrant() == nil:
			p.end(stream.Errorf(stream.CodeValidation, "after its start a subscription is sent grants only"))
			return
		default:
			p.credit.add(req.GetGrant().GetBytes())
		}
	}
}

// push reads and sends until the shard ends (nil) or the stream does. A client that
// has caught up when it begins is told so at once.
func (p *pusher[S]) push(ctx context.Context) error {
	lags, told := true, false
	for {
		have, err := p.credit.atLeast(ctx, 1)
		if err != nil {
			return err
		}
		var m pushed
		if lags {
			m, err = p.read(ctx, have)
		} else {
			m, err = p.wait(ctx, have)
		}
		switch {
		case err != nil:
			return err
		case m.again:
			continue
		case m.none && lags && told:
			lags = false
			continue
		case m.none:
			err = p.send(nil, 0, nil)
			lags = false
		default:
			lags, err = p.sendAll(ctx, &m)
		}
		if err != nil || m.Ended {
			return err
		}
		told = true
	}
}

// pushed is what is to be sent.
type pushed struct {
	broker.SubscriptionEvent
	loan  *loan
	none  bool // there is nothing
	again bool // nothing was read for lack of memory: to be tried again
}

// ended is a context in which nothing waits.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// read takes what is there already. It borrows the memory first.
func (p *pusher[S]) read(ctx context.Context, have uint64) (pushed, error) {
	want := int(min(have, uint64(max(p.service.pushes.share(), p.block))))
	l, err := p.service.pushes.borrow(ctx, want, p.end)
	if err != nil {
		return pushed{}, err
	}
	p.loans = append(p.loans, l)
	event, err := p.sub.Next(ended, want)
	if errors.Is(err, context.Canceled) {
		p.giveBack(l)
		return pushed{none: true}, nil
	}
	if err != nil {
		return pushed{}, err
	}
	bytes, largest := sizes(event.Blocks)
	p.block = largest
	if len(event.Blocks) == 1 && bytes > 2*want {
		p.giveBack(l)
		if uint64(bytes) > have {
			return pushed{again: true}, p.starve(ctx, bytes)
		}
		return pushed{again: true}, p.rewind(ctx)
	}
	l.shrink(bytes)
	return pushed{SubscriptionEvent: event, loan: l}, nil
}

// wait waits for records, for a while. They are new, and so in memory already, or
// nearly: they do not wait for more.
func (p *pusher[S]) wait(ctx context.Context, have uint64) (pushed, error) {
	patience, cancel := context.WithTimeout(ctx, p.service.cfg.IdleEvery)
	defer cancel()
	event, err := p.sub.Next(patience, int(min(have, uint64(p.service.pushes.share()))))
	if err != nil && patience.Err() != nil && ctx.Err() == nil && errors.Is(err, patience.Err()) {
		return pushed{none: true}, nil
	}
	if err != nil {
		return pushed{}, err
	}
	bytes, largest := sizes(event.Blocks)
	p.block = largest
	m := pushed{SubscriptionEvent: event, loan: p.service.pushes.ask(bytes, p.end)}
	if m.loan != nil {
		p.loans = append(p.loans, m.loan)
	}
	return m, nil
}

func sizes(blocks []broker.ReadBlock) (all, largest int) {
	for i := range blocks {
		n := len(blocks[i].Block.Encoded())
		all += n
		largest = max(largest, n)
	}
	return all, largest
}

// settle gives back what is still on its way: the stream has ended.
func (p *pusher[S]) settle() {
	for _, l := range p.loans {
		l.back()
	}
}

func (p *pusher[S]) giveBack(l *loan) {
	l.back()
	p.forget()
}

// forget drops loans that were given back.
func (p *pusher[S]) forget() {
	p.loans = slices.DeleteFunc(p.loans, (*loan).returned)
}

// sendAll sends what there is, as far as there is credit, and tells whether there
// is more. If a block is larger than what is left, the rest is dropped and read
// again when there is enough.
func (p *pusher[S]) sendAll(ctx context.Context, m *pushed) (lags bool, err error) {
	blocks := m.Blocks
	lags = m.MillisBehind > 0
	for len(blocks) > 0 {
		n, bytes := fitting(blocks, p.credit.left())
		if n == 0 {
			m.Ended = false
			m.loan.back()
			return true, p.starve(ctx, len(blocks[0].Block.Encoded()))
		}
		p.credit.use(bytes)
		p.at = blocks[n-1].Last + 1
		behind, l := m.MillisBehind, m.loan
		if n < len(blocks) || m.Ended { // more follows: nobody is to think that this was all
			behind = max(1, behind)
		}
		if n < len(blocks) {
			l = nil // the last message has the loan
		} else {
			p.at = max(p.at, m.Next)
		}
		if err := p.send(blocks[:n], behind, l); err != nil {
			return false, err
		}
		blocks = blocks[n:]
	}
	if m.Ended {
		return false, p.grpc.Send(&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_End{
			End: &runnelv1.SubscribeEnd{Children: childMessages(m.Children)},
		}})
	}
	return lags, nil
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
	return p.rewind(ctx)
}

// rewind goes back to the next record to send.
func (p *pusher[S]) rewind(ctx context.Context) error {
	place := broker.From{Kind: broker.AtPosition, Position: p.at}
	sub, err := p.service.broker.Subscribe(ctx, p.start.GetStream(), p.start.GetShard(), place)
	if err != nil {
		return err
	}
	p.sub.Close()
	p.sub = sub
	return nil
}

// send sends blocks. Their memory is given back when they are on the wire.
func (p *pusher[S]) send(blocks []broker.ReadBlock, behind int64, l *loan) error {
	m := &runnelv1.SubscribeBlocks{Next: uint64(p.at), MillisBehind: behind, Blocks: make([]*runnelv1.Block, len(blocks))}
	for i := range blocks {
		m.Blocks[i] = blockMessage(&blocks[i])
	}
	push := wire.Push{Blocks: m}
	if l != nil {
		push.Sent = l.back
	}
	err := p.grpc.SendMsg(&push)
	p.forget()
	return err
}
