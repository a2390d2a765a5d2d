package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// Result is what became of a record.
type Result struct {
	Shard    uint32
	Sequence stream.Sequence
	Err      error
}

// Sender sends records, batched, retried and in order per shard. Send blocks
// while too much is under way. done is called once per record that Send took,
// by any goroutine. Flush returns when it was called for every record.
type Sender interface {
	Send(ctx context.Context, r stream.Record, done func(Result)) error
	Flush(ctx context.Context) error
}

// Config is what a feed works with.
type Config struct {
	Input    io.Reader
	Key      Keyer
	Sender   Sender
	MaxBytes int  // of a record, data and key
	SkipBad  bool // go on after a line that cannot be sent
	// OnSkip hears of the lines that were skipped; may be nil. One goroutine calls it.
	OnSkip func(line int64, err error)
	// GraceAfterStop bounds the wait for what is under way once reading stopped early.
	GraceAfterStop time.Duration
}

// LineError tells which line could not be sent.
type LineError struct {
	Number int64
	Err    error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Number, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// ShardCount is what went into one shard.
type ShardCount struct {
	Shard       uint32
	Records     int64
	Bytes       int64
	First, Last stream.Sequence
}

// Summary is what a feed did.
type Summary struct {
	Read       int64 // lines read
	ReadBytes  int64 // of the input
	Records    int64 // stored
	Bytes      int64 // of these, data and keys
	Skipped    int64 // lines that could not be sent
	Failed     int64 // records that were refused for good, or whose outcome is unknown
	Unanswered int64 // records under way when the feed gave up waiting
	StoredTo   int64 // every line up to this one is stored (or was skipped)
	Shards     []ShardCount
}

// Feed sends lines. Run it once; Progress may be called meanwhile.
type Feed struct {
	cfg   Config
	lines *lineReader

	mu      sync.Mutex
	sum     Summary
	shards  map[uint32]*ShardCount
	pending []*pending // lines handed over, in order; the head is not stored yet
	bad     error      // of the first record that failed
	stop    context.CancelFunc
}

type pending struct {
	line   int64
	stored bool
}

// New makes a feed.
func New(cfg Config) *Feed {
	return &Feed{
		cfg:    cfg,
		lines:  &lineReader{r: bufio.NewReaderSize(cfg.Input, 256<<10), limit: cfg.MaxBytes},
		shards: map[uint32]*ShardCount{},
	}
}

// Progress is the summary so far, without its shards.
func (f *Feed) Progress() Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sum
}

// Run sends every line and returns when all are answered. When ctx ends it
// reads no further and waits for what is under way, at most GraceAfterStop.
// The error is ctx's cause, a *LineError, or one of the input or the sender;
// the summary counts in either case.
func (f *Feed) Run(ctx context.Context) (Summary, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	f.stop = stop
	batches := make(chan batch, 2)
	go f.lines.read(reading, batches)

	err := f.pump(reading, batches)
	flushing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if f.cfg.GraceAfterStop > 0 {
		bound := func() { time.AfterFunc(f.cfg.GraceAfterStop, cancel) }
		if err != nil {
			bound()
		} else {
			defer context.AfterFunc(ctx, bound)()
		}
	}
	flushErr := f.cfg.Sender.Flush(flushing)
	return f.finish(ctx, err, flushErr)
}

// finish closes the books. The first cause wins: the failure of a record stops
// the reading, and the end of the reading is not the reason to tell.
func (f *Feed) finish(ctx context.Context, err, flushErr error) (Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum.Unanswered = int64(len(f.pending)) - f.answered() - f.sum.Failed
	for _, i := range slices.Sorted(maps.Keys(f.shards)) {
		f.sum.Shards = append(f.sum.Shards, *f.shards[i])
	}
	switch {
	case f.bad != nil:
		err = f.bad
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && f.sum.Unanswered > 0:
		err = flushErr
	}
	return f.sum, err
}

func (f *Feed) answered() (n int64) {
	for _, p := range f.pending {
		if p.stored {
			n++
		}
	}
	return n
}

// pump hands lines over until the input or ctx ends.
func (f *Feed) pump(ctx context.Context, batches <-chan batch) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-batches:
			if !ok {
				return ctx.Err()
			}
			for _, line := range b.lines {
				if err := f.one(ctx, line); err != nil {
					return err
				}
			}
			f.mu.Lock()
			f.sum.ReadBytes = b.bytes
			f.mu.Unlock()
			if errors.Is(b.err, io.EOF) {
				return nil
			}
			if b.err != nil {
				return fmt.Errorf("read the input after line %d: %w", f.Progress().Read, b.err)
			}
		}
	}
}

// one sends one line. A line that cannot be sent is skipped, or the error.
func (f *Feed) one(ctx context.Context, line Line) error {
	f.mu.Lock()
	f.sum.Read = line.Number
	f.mu.Unlock()
	r, err := f.record(line)
	if err != nil {
		err = &LineError{line.Number, err}
		if !f.cfg.SkipBad {
			return err
		}
		f.skip(line.Number, err)
		return nil
	}
	p := f.expect(line.Number)
	size := int64(r.Size())
	if err := f.cfg.Sender.Send(ctx, r, func(res Result) { f.done(p, size, res) }); err != nil {
		f.forget(p)
		return &LineError{line.Number, err}
	}
	return nil
}

func (f *Feed) record(line Line) (stream.Record, error) {
	if line.Err != nil {
		return stream.Record{}, line.Err
	}
	key, err := f.cfg.Key(line.Text)
	if err != nil {
		return stream.Record{}, err
	}
	r := stream.Record{PartitionKey: key, Data: line.Text}
	if r.Size() > f.cfg.MaxBytes {
		return r, fmt.Errorf("the record has %d bytes with its partition key; a record of this stream may have %d", r.Size(), f.cfg.MaxBytes)
	}
	return r, nil
}

func (f *Feed) skip(line int64, err error) {
	p := f.expect(line)
	f.mu.Lock()
	f.sum.Skipped++
	p.stored = true
	f.advance()
	f.mu.Unlock()
	if f.cfg.OnSkip != nil {
		f.cfg.OnSkip(line, err)
	}
}

func (f *Feed) expect(line int64) *pending {
	p := &pending{line: line}
	f.mu.Lock()
	f.pending = append(f.pending, p)
	f.mu.Unlock()
	return p
}

func (f *Feed) forget(p *pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.pending, p); i >= 0 {
		f.pending = slices.Delete(f.pending, i, i+1)
	}
}

func (f *Feed) done(p *pending, size int64, res Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if res.Err != nil {
		f.sum.Failed++
		if f.bad == nil {
			f.bad = &LineError{p.line, res.Err}
			f.stop()
		}
		return
	}
	p.stored = true
	f.sum.Records++
	f.sum.Bytes += size
	c := f.shards[res.Shard]
	if c == nil {
		c = &ShardCount{Shard: res.Shard, First: res.Sequence, Last: res.Sequence}
		f.shards[res.Shard] = c
	}
	c.Records++
	c.Bytes += size
	if res.Sequence.Compare(c.First) < 0 {
		c.First = res.Sequence
	}
	if res.Sequence.Compare(c.Last) > 0 {
		c.Last = res.Sequence
	}
	f.advance()
}

// advance drops the stored lines at the head.
func (f *Feed) advance() {
	n := 0
	for n < len(f.pending) && f.pending[n].stored {
		f.sum.StoredTo = f.pending[n].line
		n++
	}
	f.pending = f.pending[n:]
}
