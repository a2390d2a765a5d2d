package client

import (
	"slices"
	"sync"
	"time"

	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// A call is one message of a put stream: the records of one PutMany, or those of
// several Puts that met in the queue.
type call struct {
	id      uint64
	stream  string
	entries *[]byte // encoded; the lane's until it is sent, then gRPC's
	count   int
	since   time.Time // queued or, later, sent

	waiters []*waiter // of Puts, in the order of the records
	many    *waiter   // of a PutMany
}

func (c *call) shared() bool { return c.many == nil }

// fits tells whether another record may share the call.
func (c *call) fits(size int) bool {
	return c.count < stream.MaxPutRecords && len(*c.entries)+size <= sharedBytes
}

// answer hands the server's answer to whoever waits.
func (c *call) answer(a *wire.PutAnswer) {
	if a.Err != nil {
		c.fail(a.Err)
		return
	}
	if len(a.Results) != c.count {
		c.fail(stream.Errorf(stream.CodeUnknownOutcome, "the server answered %d records with %d results", c.count, len(a.Results)))
		return
	}
	if c.many != nil {
		c.many.done <- reply{results: slices.Clone(a.Results)}
		return
	}
	for i, w := range c.waiters {
		w.done <- reply{one: a.Results[i]}
	}
}

func (c *call) fail(err *stream.Error) {
	if c.many != nil {
		c.many.done <- reply{err: err}
		return
	}
	for _, w := range c.waiters {
		w.done <- reply{err: err}
	}
}

// A waiter gets exactly one reply, which never blocks the sender.
type waiter struct{ done chan reply }

type reply struct {
	one     wire.PutResult
	results []wire.PutResult
	err     *stream.Error
}

var waiters = sync.Pool{New: func() any { return &waiter{done: make(chan reply, 1)} }}
