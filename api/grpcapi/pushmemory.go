package grpcapi

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/runnel-io/runnel/stream"
)

const (
	// pushBytes is about how much one message of a subscription carries, unless a
	// single block is larger.
	pushBytes = 512 << 10
	// leastPush is to what messages shrink when there are many subscriptions.
	leastPush = 32 << 10
	// pushMemoryBytes is what all subscriptions together may hold.
	pushMemoryBytes = 32 << 20
	// pushPatience is how long a message may be on its way while other
	// subscriptions wait for its memory.
	pushPatience = 5 * time.Second
)

// errSlow ends a subscription. Its client resumes when it reads again.
var errSlow = stream.Errorf(stream.CodeOverloaded, "the subscriber does not take what it is sent, and others wait for the memory")

// pushMemory bounds what subscriptions hold: blocks that were read and are not on
// the wire yet. Who lags behind borrows before it reads. A subscriber that does not
// take what it is sent keeps its loan, until somebody has waited for it too long.
type pushMemory struct {
	most int64
	free *semaphore.Weighted

	mu    sync.Mutex
	subs  int
	loans list.List // of *loan, the oldest first
}

func newPushMemory(most int64) *pushMemory {
	return &pushMemory{most: most, free: semaphore.NewWeighted(most)}
}

// join and leave count subscriptions.
func (m *pushMemory) join()  { m.count(1) }
func (m *pushMemory) leave() { m.count(-1) }

func (m *pushMemory) count(n int) {
	m.mu.Lock()
	m.subs += n
	m.mu.Unlock()
}

// share is how much a subscription should send at once, so that there is room for
// two messages of each: one on its way and one behind it.
func (m *pushMemory) share() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return min(max(int(m.most)/(2*max(m.subs, 1)), leastPush), pushBytes)
}

// loan is memory of one message.
type loan struct {
	m     *pushMemory
	bytes int64 // 0: it was given back
	since time.Time
	end   context.CancelCauseFunc // of the subscription
	place *list.Element
}

// borrow waits for memory. end ends the subscription if others have waited too long
// for what it borrowed.
func (m *pushMemory) borrow(ctx context.Context, bytes int, end context.CancelCauseFunc) (*loan, error) {
	n := min(int64(bytes), m.most)
	for !m.free.TryAcquire(n) {
		waiting, cancel := context.WithTimeout(ctx, pushPatience)
		err := m.free.Acquire(waiting, n)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		m.evict()
	}
	return m.lend(n, end), nil
}

// ask borrows if there is enough right now; else it returns nil, which is a loan of
// nothing.
func (m *pushMemory) ask(bytes int, end context.CancelCauseFunc) *loan {
	n := min(int64(bytes), m.most)
	if !m.free.TryAcquire(n) {
		return nil
	}
	return m.lend(n, end)
}

func (m *pushMemory) lend(bytes int64, end context.CancelCauseFunc) *loan {
	l := &loan{m: m, bytes: bytes, since: time.Now(), end: end}
	m.mu.Lock()
	l.place = m.loans.PushBack(l)
	m.mu.Unlock()
	return l
}

// evict ends the subscription whose message has been on its way for the longest, if
// that is too long.
func (m *pushMemory) evict() {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.loans.Front()
	if first == nil {
		return
	}
	if l := first.Value.(*loan); time.Since(l.since) >= pushPatience {
		m.loans.Remove(first) // the next who waits looks at the next
		l.place = nil
		l.end(errSlow)
	}
}

// shrink gives back all but so many bytes.
func (l *loan) shrink(bytes int) {
	if l == nil {
		return
	}
	l.m.mu.Lock()
	spare := max(0, l.bytes-int64(bytes))
	l.bytes -= spare
	l.m.mu.Unlock()
	l.m.free.Release(spare)
}

// back gives back everything. It may be called again.
func (l *loan) back() {
	if l == nil {
		return
	}
	l.m.mu.Lock()
	n := l.bytes
	l.bytes = 0
	if l.place != nil {
		l.m.loans.Remove(l.place)
		l.place = nil
	}
	l.m.mu.Unlock()
	l.m.free.Release(n)
}

func (l *loan) returned() bool {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.bytes == 0
}
