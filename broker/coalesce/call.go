package coalesce

import (
	"context"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// call is one Append or Do that waits for its answer. All fields but the done
// channel are under the coalescer's lock.
type call struct {
	batches []Batch
	results []Result
	batch   int // the next record to take is record of batch
	record  int
	pieces  int // in flight
	bytes   int64

	command shardlog.Command // of Do; nil for Append
	answer  shardlog.Answer
	err     error

	queued    bool          // in the queue, perhaps with pieces in flight already
	touched   bool          // part of it was proposed
	abandoned bool          // the caller has gone
	encoding  bool          // the proposer reads the records
	released  chan struct{} // closed when it no longer does, for a caller that wants to go
	answered  bool
	done      chan struct{} // closed when answered
}

// forget lets go of the records, so that none is left to take.
func (k *call) forget() { k.batches, k.batch = nil, 0 }

// taken tells whether all records have been taken or refused.
func (k *call) taken() bool { return k.batch == len(k.batches) }

// Append stores the batches and returns when that is durable, with one result
// per batch. The error is that of the whole call: nothing was stored, except
// with CodeUnknownOutcome, when ctx ended first. Batches of one shard keep
// their order within the call, and so do calls made one after the other.
func (c *Coalescer) Append(ctx context.Context, batches []Batch) ([]Result, error) {
	k := &call{batches: batches, results: make([]Result, len(batches)), done: make(chan struct{})}
	for _, b := range batches {
		for i := range b.Records {
			if b.Records[i].Size() > stream.MaxRecordBytes || len(b.Records[i].PartitionKey) >= 1<<16 {
				return nil, stream.Errorf(stream.CodeInvalidArgument, "a record of %d bytes is too large", b.Records[i].Size())
			}
			k.bytes += int64(b.Records[i].Size()) + recordOverhead
		}
	}
	k.skipEmpty()
	if k.taken() {
		return k.results, nil
	}
	if c.cfg.Writable != nil {
		if err := c.cfg.Writable(k.bytes); err != nil {
			return nil, stream.Wrap(stream.CodeDiskFull, err, "the disk is full")
		}
	}
	if err := c.enqueue(k); err != nil {
		return nil, err
	}
	select {
	case <-k.done:
		return k.results, k.err
	case <-ctx.Done():
		if err := c.abandon(k); err != nil {
			return nil, err
		}
		return k.results, k.err
	}
}

// recordOverhead is what a waiting record costs beside its own bytes.
const recordOverhead = 64

// Do proposes a control command in the order of the appends and returns its
// answer. CodeUnknownOutcome means that it may take effect yet; all commands
// may be repeated.
func (c *Coalescer) Do(ctx context.Context, command shardlog.Command) (shardlog.Answer, error) {
	k := &call{command: command, done: make(chan struct{})}
	if err := c.enqueue(k); err != nil {
		return shardlog.Answer{}, err
	}
	select {
	case <-k.done:
		return k.answer, k.err
	case <-ctx.Done():
		if err := c.abandon(k); err != nil {
			return shardlog.Answer{}, err
		}
		return k.answer, k.err
	}
}

func (c *Coalescer) enqueue(k *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.serving {
		return errNotLeader
	}
	// A call that is larger than the whole budget passes when it is alone.
	if k.command == nil && c.bytes > 0 && c.bytes+k.bytes > c.cfg.QueueBytes {
		return errOverloaded
	}
	c.bytes += k.bytes
	c.queue.push(k)
	c.nudge()
	return nil
}

// abandon ends a call whose context has ended, and tells what may have become
// of it; nil means that it was answered meanwhile. When it returns nobody reads
// the caller's records any more.
func (c *Coalescer) abandon(k *call) error {
	c.mu.Lock()
	if k.answered {
		c.mu.Unlock()
		return nil
	}
	k.abandoned = true
	err := errUnknown
	if !k.touched {
		err = errCancelled
	}
	var released chan struct{}
	if k.encoding {
		released = make(chan struct{})
		k.released = released
	} else {
		k.forget()
	}
	c.mu.Unlock()
	if released != nil {
		<-released
	}
	return err
}

// refuse answers what is left of a call, which is out of the queue, with an
// error. Under the lock.
func (c *Coalescer) refuse(k *call, why error) {
	if k.command != nil {
		k.err = why
		c.answer(k)
		return
	}
	for !k.taken() {
		n := len(k.batches[k.batch].Records) - k.record
		k.refuseBatch(n, why)
	}
	if k.pieces == 0 {
		c.answer(k)
	}
}

// refused tells why an earlier record of the batch was refused. The later ones
// then are too: whoever sends them again sends them in order.
func (k *call) refused() error {
	for _, s := range k.results[k.batch].Spans {
		if s.Err != nil {
			return s.Err
		}
	}
	return nil
}

// take notes that the next n records of the batch are on their way, and
// returns the place of their span: the answers come later, and spans are in the
// order of the records.
func (k *call) take(n int) piece {
	spans := &k.results[k.batch].Spans
	*spans = append(*spans, Span{Count: n})
	k.pieces++
	k.touched = true
	return piece{call: k, batch: k.batch, span: len(*spans) - 1, count: n}
}

// refuseBatch answers the next n records, to the end of the batch, with an error.
func (k *call) refuseBatch(n int, why error) {
	if n > 0 {
		k.results[k.batch].Spans = append(k.results[k.batch].Spans, Span{Count: n, Err: why})
	}
	k.batch++
	k.record = 0
	k.skipEmpty()
}

func (k *call) skipEmpty() {
	for k.batch < len(k.batches) && len(k.batches[k.batch].Records) == 0 {
		k.batch++
	}
}

// answer wakes the caller. Under the lock.
func (c *Coalescer) answer(k *call) {
	c.bytes -= k.bytes
	k.forget()
	k.answered = true
	close(k.done)
}

// queue is first in, first out.
type queue struct {
	calls []*call
	head  int
}

func (q *queue) empty() bool { return q.head == len(q.calls) }

func (q *queue) peek() *call {
	if q.empty() {
		return nil
	}
	return q.calls[q.head]
}

func (q *queue) push(k *call) {
	if q.head > 64 && q.head > len(q.calls)/2 {
		n := copy(q.calls, q.calls[q.head:])
		clear(q.calls[n:])
		q.calls, q.head = q.calls[:n], 0
	}
	k.queued = true
	q.calls = append(q.calls, k)
}

func (q *queue) pop() *call {
	k := q.calls[q.head]
	k.queued = false
	q.calls[q.head] = nil
	q.head++
	if q.empty() {
		q.calls, q.head = q.calls[:0], 0
	}
	return k
}
