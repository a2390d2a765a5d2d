package grpcapi

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// putsInFlight is how many batches of one put stream are worked on at once. When
// they are, the next is not read, and so the client is slowed down by flow control.
const putsInFlight = 32

// putMemoryBytes is what the batches of all put streams together hold while they
// are worked on. A stream with a batch for which there is no room reads nothing
// more: its client waits, and sends nothing twice.
const putMemoryBytes = 32 << 20

// errStopping ends streams when the node does.
var errStopping = stream.Errorf(stream.CodeUnavailable, "the node is stopping")

// putStream is one PutStream call. One goroutine receives, each batch is put by a
// goroutine of its own, which sends its answer. Puts end whether answers are read
// or not, so a client that reads its answers can never wait for a server that waits
// for it.
type putStream[S Subscription] struct {
	service *recordService[S]
	grpc    grpc.BidiStreamingServer[runnelv1.PutStreamRequest, runnelv1.PutStreamResponse]
	slots   chan struct{}

	sending sync.Mutex
}

func (s *recordService[S]) PutStream(gs grpc.BidiStreamingServer[runnelv1.PutStreamRequest, runnelv1.PutStreamResponse]) error {
	p := &putStream[S]{service: s, grpc: gs, slots: make(chan struct{}, putsInFlight)}
	received := make(chan error, 1)
	ctx, stop := context.WithCancel(gs.Context())
	defer stop()
	go func() { received <- p.receive(ctx) }()
	var err error
	select {
	case err = <-received:
	case <-s.cfg.Stopping:
		err = errStopping
	}
	stop()
	for range putsInFlight { // whoever holds a slot is still to answer
		p.slots <- struct{}{}
	}
	return wire.Status(err)
}

// receive starts a put for every batch until the client is done (nil), the stream
// fails, or ctx ends. While it waits for the client it holds no slot.
func (p *putStream[S]) receive(ctx context.Context) error {
	for {
		batch := batches.Get().(*putBatch)
		switch err := p.grpc.RecvMsg(&batch.wire); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if !p.begin(ctx, batch) {
			return nil // nobody waits for this put: it is not made
		}
	}
}

// begin puts a batch when there is a slot and memory for it, unless ctx ends
// before.
func (p *putStream[S]) begin(ctx context.Context, batch *putBatch) bool {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	bytes := int64(batch.wire.Bytes())
	if ctx.Err() != nil || p.service.putting.Acquire(ctx, bytes) != nil {
		<-p.slots
		return false
	}
	go func() {
		defer func() { <-p.slots }()
		defer p.service.putting.Release(bytes)
		p.put(batch)
	}()
	return true
}

func (p *putStream[S]) put(b *putBatch) {
	// The end of the connection does not take back what was sent.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.grpc.Context()), p.service.cfg.PutTimeout)
	answer := b.put(ctx, p.service.broker.Put)
	cancel()
	p.sending.Lock()
	_ = p.grpc.SendMsg(answer) // the receiver hears of a broken stream too
	p.sending.Unlock()
	b.release()
}

// putBatch is a batch on its way to the broker, and its answer. They are used
// again, so that a batch costs few allocations.
type putBatch struct {
	wire    wire.PutBatch
	records []broker.PutRecord
	places  []int // of records in the batch: those of bad form do not go to the broker
	answer  wire.PutAnswer
	unsure  bool // somebody may still look at the records
}

var batches = sync.Pool{New: func() any { return new(putBatch) }}

type putFunc func(ctx context.Context, name string, records []broker.PutRecord) ([]broker.PutResult, error)

// release gives the batch back, unless the broker may still look at it.
func (b *putBatch) release() {
	if b.unsure {
		return
	}
	b.wire.Free()
	clear(b.records)
	clear(b.answer.Results)
	batches.Put(b)
}

func (b *putBatch) put(ctx context.Context, put putFunc) *wire.PutAnswer {
	b.answer = wire.PutAnswer{ID: b.wire.ID, Results: b.answer.Results[:0]}
	b.unsure = false
	if err := b.check(); err != nil {
		b.answer.Err = asError(err)
		return &b.answer
	}
	b.answer.Results = append(b.answer.Results, make([]wire.PutResult, len(b.wire.Entries))...)
	b.prepare()
	if len(b.records) == 0 {
		return &b.answer
	}
	results, err := put(ctx, b.wire.Stream, b.records)
	switch {
	case err == nil:
		b.take(b.places, results)
	case len(b.records) > 1 && badForm(err):
		b.putEach(ctx, put)
	default:
		b.unsure = true
		b.answer.Results = b.answer.Results[:0]
		b.answer.Err = asError(err)
	}
	return &b.answer
}

func (b *putBatch) check() error {
	bytes := 0
	for i := range b.wire.Entries {
		bytes += len(b.wire.Entries[i].PartitionKey) + len(b.wire.Entries[i].Data)
	}
	if err := stream.CheckName(b.wire.Stream); err != nil {
		return err
	}
	if err := checkBatch(len(b.wire.Entries), bytes); err != nil {
		return err
	}
	return nil
}

// prepare makes the broker's records. A record of bad form is answered at once:
// others in the batch may be of other callers.
func (b *putBatch) prepare() {
	b.records, b.places = b.records[:0], b.places[:0]
	for i := range b.wire.Entries {
		e := &b.wire.Entries[i]
		if err := checkRecord(e.PartitionKey, len(e.Data)); err != nil {
			b.answer.Results[i].Err = err
			continue
		}
		r := broker.PutRecord{PartitionKey: e.PartitionKey, Data: e.Data}
		if e.HasHash {
			r.ExplicitHashKey = &e.Hash
		}
		b.records = append(b.records, r)
		b.places = append(b.places, i)
	}
}

// badForm tells that the call was refused for something in one of its records.
func badForm(err error) bool {
	code := stream.CodeOf(err)
	return code == stream.CodeValidation || code == stream.CodeInvalidArgument
}

// errBehind refuses records behind one that was refused and will be sent again.
var errBehind = stream.Errorf(stream.CodeUnavailable, "a record before this one was refused")

// putEach finds the records that are to blame by putting each alone. None may
// overtake one that its client will send again.
func (b *putBatch) putEach(ctx context.Context, put putFunc) {
	refused := false
	for k, place := range b.places {
		if refused {
			b.answer.Results[place].Err = errBehind
			continue
		}
		results, err := put(ctx, b.wire.Stream, b.records[k:k+1])
		if err != nil {
			results = []broker.PutResult{{Err: err}}
		}
		b.take(b.places[k:k+1], results)
		e := b.answer.Results[place].Err
		refused = e != nil && e.Retryable()
	}
}

func (b *putBatch) take(places []int, results []broker.PutResult) {
	for k, i := range places {
		r := &b.answer.Results[i]
		switch {
		case k >= len(results):
			r.Err = stream.Errorf(stream.CodeInternal, "the record has no result")
		case results[k].Err != nil:
			r.Err = asError(results[k].Err)
			b.unsure = true
		default:
			r.Sequence = results[k].Sequence
		}
	}
}

func asError(err error) *stream.Error {
	var e *stream.Error
	if errors.As(err, &e) {
		return e
	}
	return wire.ToError(wire.FromError(err))
}
