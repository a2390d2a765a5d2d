package producer

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

// Producer puts records into one stream. Any goroutine may call its methods;
// the order of records of one key is the order of the calls of Put.
type Producer struct {
	client *client.Client
	stream string
	cfg    Config
	lanes  []*lane
	seed   maphash.Seed

	bytes, records *semaphore.Weighted // of the buffer

	mu     sync.Mutex
	closed bool
	open   int           // records without an answer
	idle   chan struct{} // closed when open is 0; nil if nobody waits

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	stored, storedBytes, retries, failed atomic.Uint64
}

// New makes a producer of a stream. Close it before the client.
func New(c *client.Client, streamName string, cfg Config) (*Producer, error) {
	if err := stream.CheckName(streamName); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Producer{
		client: c, stream: streamName, cfg: cfg, seed: maphash.MakeSeed(),
		bytes: semaphore.NewWeighted(cfg.BufferBytes), records: semaphore.NewWeighted(int64(cfg.BufferRecords)),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range cfg.Lanes {
		l := newLane(p)
		p.lanes = append(p.lanes, l)
		p.wg.Go(l.run)
	}
	return p, nil
}

// Put takes a record, and waits while too much is unanswered. done is called
// once, when the record is stored or given up; it must be quick and must not
// call Put, Flush or Close. If Put returns an error the record was not taken
// and done is not called. The data is used until then.
func (p *Producer) Put(ctx context.Context, r client.Record, done func(Result)) error {
	size := int64(r.Size())
	if size > stream.MaxRecordBytes {
		return stream.Errorf(stream.CodeValidation, "record of %d bytes, at most %d are allowed", size, stream.MaxRecordBytes)
	}
	if err := p.reserve(ctx, size); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.release(size)
		return errClosed()
	}
	p.open++
	// Under the lock, so that the order in the lane is the order of the calls.
	p.lane(r.PartitionKey).add(&pending{record: r, done: done, since: time.Now()})
	p.mu.Unlock()
	return nil
}

func (p *Producer) reserve(ctx context.Context, size int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	err := p.records.Acquire(ctx, 1)
	if err == nil {
		if err = p.bytes.Acquire(ctx, size); err == nil {
			return nil
		}
		p.records.Release(1)
	}
	if p.ctx.Err() != nil {
		return errClosed()
	}
	return stream.Wrap(stream.CodeUnavailable, err, "the record was not sent")
}

func (p *Producer) release(size int64) {
	p.bytes.Release(size)
	p.records.Release(1)
}

func (p *Producer) lane(key string) *lane {
	return p.lanes[maphash.String(p.seed, key)%uint64(len(p.lanes))]
}

// answer gives a record its result.
func (p *Producer) answer(r *pending, res Result) {
	size := r.record.Size()
	if res.Err == nil {
		p.stored.Add(1)
		p.storedBytes.Add(uint64(size))
	} else {
		p.failed.Add(1)
	}
	r.done(res)
	p.release(int64(size))
	p.mu.Lock()
	p.open--
	if p.open == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	p.mu.Unlock()
}

// Flush returns when every record put before has its result, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error {
	for _, l := range p.lanes {
		l.hurry()
	}
	p.mu.Lock()
	if p.open == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return stream.Wrap(stream.CodeUnknownOutcome, ctx.Err(), "not every record has an answer yet")
	}
}

// Close takes no more records, flushes until ctx ends, gives what is then left an
// error, and waits until every done was called. It may be called again.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.Flush(ctx)
	p.cancel()
	p.wg.Wait()
	return err
}

// Summary tells what was done so far.
func (p *Producer) Summary() Summary {
	return Summary{Records: p.stored.Load(), Bytes: p.storedBytes.Load(), Retries: p.retries.Load(), Failed: p.failed.Load()}
}

func errClosed() *stream.Error {
	return &stream.Error{Code: stream.CodeUnavailable, Message: "the record was not sent", Err: ErrClosed}
}
