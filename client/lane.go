package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

const (
	// sharedInFlight is how many messages of shared Puts are under way at once. While
	// they are, further Puts gather in the next one: batches grow with the load and
	// nobody waits for a timer.
	sharedInFlight = 4
	// sharedBytes is the most that records of several callers make together.
	sharedBytes = 512 << 10
)

// A lane is a connection and the puts that go over it. It keeps two queues of
// messages that wait to be sent, and a session that sends them.
type lane struct {
	client *Client
	conn   *grpc.ClientConn

	mu      sync.Mutex
	lastID  uint64
	manys   []*call          // of PutMany
	shareds []*call          // of Puts
	open    map[string]*call // the ones among shareds that take more records, by stream
	session *session         // nil: the next call begins one
	closed  bool
}

func newLane(c *Client, conn *grpc.ClientConn) *lane {
	return &lane{client: c, conn: conn, open: make(map[string]*call)}
}

// putOne joins the record to the message that is being filled and waits.
func (l *lane) putOne(ctx context.Context, name string, e *wire.PutEntry) (stream.Sequence, error) {
	w := waiters.Get().(*waiter)
	if err := l.share(name, e, w); err != nil {
		return stream.Sequence{}, err
	}
	select {
	case r := <-w.done:
		waiters.Put(w)
		switch {
		case r.err != nil:
			return stream.Sequence{}, r.err
		case r.one.Err != nil:
			return stream.Sequence{}, r.one.Err
		}
		return r.one.Sequence, nil
	case <-ctx.Done(): // the record goes its way without us
		return stream.Sequence{}, stream.Wrap(stream.CodeUnknownOutcome, ctx.Err(), "the put was given up before its answer came")
	}
}

func (l *lane) share(name string, e *wire.PutEntry, w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return closedError()
	}
	size := wire.EntrySize(e)
	c := l.open[name]
	if c == nil || !c.fits(size) {
		c = l.newCall(name, buffers.Get(size))
		l.open[name] = c
		l.shareds = append(l.shareds, c)
	}
	*c.entries = wire.AppendEntry(*c.entries, e)
	c.count++
	c.waiters = append(c.waiters, w)
	l.wake()
	return nil
}

// putMany sends the entries as one message and waits. ctx's end takes the message
// back if it was not sent yet.
func (l *lane) putMany(ctx context.Context, name string, entries *[]byte, count int) ([]wire.PutResult, error) {
	w := waiters.Get().(*waiter)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, closedError()
	}
	c := l.newCall(name, entries)
	c.count, c.many = count, w
	l.manys = append(l.manys, c)
	l.wake()
	l.mu.Unlock()

	select {
	case r := <-w.done:
		waiters.Put(w)
		if r.err != nil {
			return nil, r.err
		}
		return r.results, nil
	case <-ctx.Done():
		if l.takeBack(c) {
			return nil, stream.Wrap(stream.CodeUnavailable, ctx.Err(), "the put was given up before it was sent")
		}
		return nil, stream.Wrap(stream.CodeUnknownOutcome, ctx.Err(), "the put was given up before its answer came")
	}
}

func (l *lane) newCall(name string, entries *[]byte) *call {
	l.lastID++
	return &call{id: l.lastID, stream: name, entries: entries, since: time.Now()}
}

func (l *lane) takeBack(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, queued := range l.manys {
		if queued == c {
			l.manys = append(l.manys[:i], l.manys[i+1:]...)
			buffers.Put(c.entries)
			return true
		}
	}
	return false
}

// wake makes sure that somebody sends what is queued. l.mu is held.
func (l *lane) wake() {
	if l.session == nil {
		l.session = newSession(l)
		l.client.wg.Go(l.session.run)
		return
	}
	select {
	case l.session.queued <- struct{}{}:
	default:
	}
}

// take gives the oldest message that may be sent now, nil if there is none.
func (l *lane) take(s *session) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != s {
		return nil // it has ended: what is queued is the next one's
	}
	share := len(l.shareds) > 0 && s.shared < sharedInFlight
	var c *call
	switch {
	case share && (len(l.manys) == 0 || l.shareds[0].id < l.manys[0].id):
		c, l.shareds = l.shareds[0], l.shareds[1:]
		if l.open[c.stream] == c {
			delete(l.open, c.stream)
		}
		s.shared++
	case len(l.manys) > 0:
		c, l.manys = l.manys[0], l.manys[1:]
	default:
		return nil
	}
	c.since = time.Now()
	s.flying[c.id] = c
	return c
}

// unqueue takes all messages that wait.
func (l *lane) unqueue() []*call {
	waiting := append(l.manys, l.shareds...)
	l.manys, l.shareds = nil, nil
	clear(l.open)
	return waiting
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
}
