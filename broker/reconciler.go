package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// reconciler drives streams to what their operation asks for. Each stream is
// worked on by one goroutine at a time; what it does next follows from the
// published metadata alone, so that a reconciler that starts afresh goes on
// where another stopped. Every step may be repeated.
type reconciler struct {
	b *Broker

	mu      sync.Mutex
	leading bool
	queue   []stream.StreamID
	state   map[stream.StreamID]*work // of streams queued or under way
	running int                       // goroutines
	ended   sync.WaitGroup
}

// work is a stream that is queued or being worked on.
type work struct {
	busy   bool
	again  bool // something changed meanwhile
	failed int  // times in a row, without a step
	timer  *time.Timer
}

const (
	reconcileAtOnce = 16
	backoffLeast    = 20 * time.Millisecond
	backoffMost     = 5 * time.Second
)

func newReconciler(b *Broker) *reconciler {
	return &reconciler{b: b, state: make(map[stream.StreamID]*work)}
}

// lead takes up all pending work whenever this node begins to lead the metadata.
func (r *reconciler) lead(ctx context.Context) {
	defer r.stop()
	for ctx.Err() == nil {
		leader, _ := r.b.metaGroup.Leadership()
		if leader && r.b.metaGroup.Ready(ctx) == nil {
			r.start()
		} else {
			r.stop()
		}
		select {
		case <-r.b.metaGroup.LeadershipChanges():
		case <-ctx.Done():
		}
	}
}

func (r *reconciler) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leading = true
	for _, id := range r.b.pending() {
		r.enqueue(id)
	}
}

func (r *reconciler) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leading = false
	for id, w := range r.state {
		if w.timer != nil {
			w.timer.Stop()
		}
		if !w.busy {
			delete(r.state, id)
		}
	}
	r.queue = nil
}

// wait returns when no goroutine works any more; none starts after the broker's
// context has ended.
func (r *reconciler) wait() { r.ended.Wait() }

// wake queues streams that have something to do. It does not block.
func (r *reconciler) wake(ids []stream.StreamID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.enqueue(id)
	}
}

// enqueue is called with the lock held.
func (r *reconciler) enqueue(id stream.StreamID) {
	if !r.leading || r.b.ctx.Err() != nil {
		return
	}
	w := r.state[id]
	switch {
	case w == nil:
		r.state[id] = &work{}
	case w.busy:
		w.again = true
		return
	case w.timer != nil:
		w.timer.Stop()
		w.timer = nil
	default:
		return // queued already
	}
	r.queue = append(r.queue, id)
	if r.running < reconcileAtOnce {
		r.running++
		r.ended.Go(r.drain)
	}
}

// drain works on queued streams until there are none.
func (r *reconciler) drain() {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.running--
			r.mu.Unlock()
			return
		}
		id := r.queue[0]
		r.queue = r.queue[1:]
		r.state[id].busy = true
		r.mu.Unlock()
		after, steps, err := r.b.advance(r.b.ctx, id)
		r.release(id, after, steps, err)
	}
}

// release decides whether the stream is to be looked at again, and when.
func (r *reconciler) release(id stream.StreamID, after time.Duration, steps int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.state[id]
	w.busy = false
	if !r.leading || r.b.ctx.Err() != nil || errors.Is(err, errHalted) {
		delete(r.state, id)
		return
	}
	if steps > 0 || err == nil {
		w.failed = 0
	}
	if err != nil {
		w.failed++
		after = min(backoffLeast<<min(w.failed, 10), backoffMost)
		r.b.log.Warn("a stream's operation failed, will be tried again", "stream", uint64(id), "error", err, "after", after)
	}
	switch {
	case w.again && err == nil:
		w.again = false
		r.queue = append(r.queue, id)
		if r.running < reconcileAtOnce {
			r.running++
			r.ended.Go(r.drain)
		}
	case after > 0:
		w.again = false
		w.timer = time.AfterFunc(after, func() { r.wake([]stream.StreamID{id}) })
	default:
		delete(r.state, id)
	}
}

// errHalted is what an injected fault ends in: the stream is left where it is.
var errHalted = errors.New("the reconciler was stopped at a fault point")

func (b *Broker) fault(point string) error {
	if b.cfg.fault == nil {
		return nil
	}
	err := b.cfg.fault(point)
	var failed *stream.Error // as a step may fail that is tried again
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return errors.Join(errHalted, err)
}
