package broker

import (
	"sync"
	"time"
)

// ratchet tells the time of metadata commands. It follows the wall forward at
// once; when the wall is set back it goes on with elapsed time, because the
// metadata's time never goes back and what is to end must not wait until the
// wall has caught up.
type ratchet struct {
	wall    func() time.Time
	elapsed func() time.Duration

	mu   sync.Mutex
	last int64         // milliseconds
	read time.Duration // elapsed time at last
}

// nowMs is not before leastMs, the latest time that the metadata knows.
func (r *ratchet) nowMs(leastMs int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last < leastMs {
		r.last, r.read = leastMs, r.elapsed()
	}
	passed := (r.elapsed() - r.read).Truncate(time.Millisecond)
	r.last, r.read = r.last+passed.Milliseconds(), r.read+passed
	if wall := r.wall().UnixMilli(); wall > r.last {
		r.last, r.read = wall, r.elapsed()
	}
	return r.last
}
