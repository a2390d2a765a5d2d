package coalesce

import (
	"sync"
	"time"
)

// Source is where a Clock reads from.
type Source struct {
	Wall    func() time.Time     // civil time; may be set forward and back
	Elapsed func() time.Duration // never goes back, and counts while the machine sleeps
}

// Bounds of how a Clock follows the wall.
const (
	slewPart     = 100              // it slews by at most one part in so many
	stepOver     = 5 * time.Second  // a lead of the wall that slewing would take too long to catch
	stepAfter    = 30 * time.Second // and that lasted so long is followed at once
	stepDetected = time.Second      // a change of wall against elapsed time that is a step, not drift
)

// Clock makes arrival stamps. At an election it is set to the wall; from then
// on it follows elapsed time, so that setting the wall does not disturb it,
// and slews towards the wall by at most 1 %. Only when the wall has been ahead
// for a while by more than seconds (the machine was paused in a way that
// elapsed time did not count, or its clock was badly behind) it steps forward:
// stamps must not go back, but they may skip.
//
// Any goroutine may call any method.
type Clock struct {
	src Source

	mu       sync.Mutex
	offset   time.Duration // of the stamp from elapsed time
	read     time.Duration // elapsed time of the last reading
	target   time.Duration // the wall's offset at the last reading
	ahead    time.Duration // since when the wall has been ahead, 0 = it is not
	lastStep time.Duration
	stepped  bool
}

// NewClock makes a clock that is set to the wall.
func NewClock(src Source) *Clock {
	c := &Clock{src: src}
	c.read = src.Elapsed()
	c.target = c.wallOffset(c.read)
	c.offset = c.target
	return c
}

// Set sets the clock to the wall, as a leader does when it is elected, or to
// the latest stamp that was given if that is later.
func (c *Clock) Set(leastMs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.observe()
	c.offset = max(c.target, time.Duration(leastMs)*time.Millisecond-now)
	c.ahead = 0
}

func (c *Clock) wallOffset(elapsed time.Duration) time.Duration {
	return time.Duration(c.src.Wall().UnixNano()) - elapsed
}

// observe reads both clocks and notices a step. It returns the elapsed time.
func (c *Clock) observe() time.Duration {
	now := c.src.Elapsed()
	target := c.wallOffset(now)
	if d := target - c.target; d > stepDetected || d < -stepDetected {
		c.lastStep, c.stepped = now, true
	}
	c.read, c.target = max(c.read, now), target
	return c.read
}

// NowMs is the time for a stamp, in milliseconds since 1970.
func (c *Clock) NowMs() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Milliseconds()
}

// ExpiryMs is the time by which records expire: that of stamps, but not later
// than the wall's. Stamps that run ahead of the wall must not shorten what was
// promised.
func (c *Clock) ExpiryMs() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp := c.now()
	return min(stamp, c.read+c.target).Milliseconds()
}

func (c *Clock) now() time.Duration {
	before := c.read
	now := c.observe()
	c.slew(c.target-c.offset, now-before, now)
	return now + c.offset
}

func (c *Clock) slew(lead, passed, now time.Duration) {
	if lead <= stepOver {
		c.ahead = 0
	} else if c.ahead == 0 {
		c.ahead = max(1, now)
	} else if now-c.ahead >= stepAfter {
		c.offset += lead
		c.lastStep, c.stepped = now, true
		c.ahead = 0
		return
	}
	most := passed / slewPart
	c.offset += max(-most, min(most, lead))
}

// Wall tells the elapsed time, and by how much the wall is off it.
func (c *Clock) Wall() (elapsed, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.observe()
	return now, c.target
}

// SinceStep tells how long ago the wall or the clock last stepped. ok is false
// if neither ever did.
func (c *Clock) SinceStep() (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.observe() - c.lastStep, c.stepped
}
