package producer

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

// batchBytes is the most that a batch carries, unless one record is larger. Servers
// have buffers of 1 MiB, into which it fits with what is around it on the wire.
const batchBytes = 1<<20 - 32<<10

// The pause before what was refused is sent again is random below a limit that
// doubles from the first to the second of these.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// pending is a record without an answer.
type pending struct {
	record   client.Record
	done     func(Result)
	since    time.Time
	attempts int
}

// lane sends the records of its keys, one batch at a time.
type lane struct {
	p    *Producer
	wake chan struct{} // something was added, or it is to hurry

	mu     sync.Mutex
	queue  []*pending
	bytes  int
	urgent bool // do not linger
}

func newLane(p *Producer) *lane { return &lane{p: p, wake: make(chan struct{}, 1)} }

func (l *lane) add(r *pending) {
	l.mu.Lock()
	l.queue = append(l.queue, r)
	l.bytes += r.record.Size()
	first, full := len(l.queue) == 1, l.full()
	l.mu.Unlock()
	if first || full {
		l.signal()
	}
}

func (l *lane) hurry() {
	l.mu.Lock()
	l.urgent = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) full() bool { return len(l.queue) >= stream.MaxPutRecords || l.bytes >= batchBytes }

func (l *lane) run() {
	for {
		batch := l.take()
		switch {
		case len(batch) > 0:
			l.send(batch)
		case l.p.ctx.Err() != nil:
			return
		default:
			select {
			case <-l.wake:
				l.linger()
			case <-l.p.ctx.Done():
			}
		}
	}
}

// linger waits for more unless a batch is full.
func (l *lane) linger() {
	if l.p.cfg.Linger == 0 {
		return
	}
	t := time.NewTimer(l.p.cfg.Linger)
	defer t.Stop()
	for {
		l.mu.Lock()
		ready := l.full() || l.urgent
		l.mu.Unlock()
		if ready {
			return
		}
		select {
		case <-t.C:
			return
		case <-l.wake:
		case <-l.p.ctx.Done():
			return
		}
	}
}

func (l *lane) take() []*pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, bytes := 0, 0
	for n < len(l.queue) && n < stream.MaxPutRecords {
		size := l.queue[n].record.Size()
		if n > 0 && bytes+size > batchBytes {
			break
		}
		bytes += size
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	l.bytes -= bytes
	if len(l.queue) == 0 {
		l.queue, l.urgent = nil, false
	}
	return batch
}

// send sends a batch until each of its records is stored or given up.
func (l *lane) send(batch []*pending) {
	pause := firstPause
	for {
		batch = l.attempt(batch)
		if len(batch) == 0 {
			return
		}
		l.p.retries.Add(uint64(len(batch)))
		if !l.sleep(time.Duration(rand.Int64N(int64(pause))) + 1) {
			l.giveUp(batch)
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// attempt sends a batch once and returns, in order, what is to be sent again.
func (l *lane) attempt(batch []*pending) []*pending {
	records := make([]client.Record, len(batch))
	for i, r := range batch {
		records[i] = r.record
	}
	results, err := l.p.client.PutBatch(l.p.ctx, l.p.stream, records)
	again := batch[:0:0]
	for i, r := range batch {
		r.attempts++
		res := Result{Attempts: r.attempts, Err: err}
		if i < len(results) {
			res.Sequence, res.Err = results[i].Sequence, results[i].Err
		}
		if res.Err != nil && l.mayRetry(r, res.Err) {
			again = append(again, r)
			continue
		}
		l.p.answer(r, res)
	}
	return again
}

func (l *lane) mayRetry(r *pending, err error) bool {
	return stream.CodeOf(err).Retryable() && l.p.ctx.Err() == nil && time.Since(r.since) < l.p.cfg.Timeout
}

func (l *lane) giveUp(batch []*pending) {
	for _, r := range batch {
		l.p.answer(r, Result{Attempts: r.attempts, Err: errClosed()})
	}
}

func (l *lane) sleep(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(l.p.ctx, d)
	defer cancel()
	<-ctx.Done()
	return l.p.ctx.Err() == nil
}
