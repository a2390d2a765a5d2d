// Package quota has the rates of Kinesis: what a shard takes and gives a
// second, and how often the control plane may be called. It is pure: time is an
// argument, and nothing here blocks, locks or starts a goroutine. It does not know
// which shards there are, nor what a caller is told when it is refused.
//
// Nothing here may be used by two goroutines at once: who owns it locks.
package quota

import (
	"math"
	"time"
)

// Bucket fills at a steady rate up to its burst. What it holds may be taken, or
// spent beyond what it holds: then it is in debt and fills from there. The zero
// Bucket has no limit.
type Bucket struct {
	rate, burst float64 // a second; rate 0 stands for no limit
	level       float64
	at          time.Time // when level was true
}

// stepBack is how much older than the last a time may be and still pass for
// callers that read the clock in another order than they come here. Beyond it
// the clock was set back.
const stepBack = time.Second

// NewBucket is a full bucket. A rate that is not positive stands for no limit.
func NewBucket(rate, burst float64, now time.Time) Bucket {
	if !(rate > 0) {
		return Bucket{}
	}
	burst = max(burst, 0)
	return Bucket{rate: rate, burst: burst, level: burst, at: now}
}

// Halve leaves half of what the bucket holds.
func (b *Bucket) Halve() {
	if b.level > 0 {
		b.level /= 2
	}
}

// Unlimited tells whether everything is given.
func (b *Bucket) Unlimited() bool { return b.rate == 0 }

// Level is what it holds at now; negative is debt.
func (b *Bucket) Level(now time.Time) float64 {
	if b.Unlimited() {
		return math.Inf(1)
	}
	b.fill(now)
	return b.level
}

// fill brings level up to now and returns what did not fit.
func (b *Bucket) fill(now time.Time) (over float64) {
	passed := now.Sub(b.at)
	if passed <= 0 {
		if passed < -stepBack {
			b.at = now
		}
		return 0
	}
	b.at = now
	b.level += b.rate * passed.Seconds()
	if over = b.level - b.burst; over <= 0 {
		return 0
	}
	b.level = b.burst
	return over
}

// Take takes n if the bucket holds as much, and nothing else. More than the
// burst is never given.
func (b *Bucket) Take(now time.Time, n float64) bool {
	if b.Unlimited() {
		return true
	}
	b.fill(now)
	if n > b.level {
		return false
	}
	b.level -= n
	return true
}

// Spend takes n whether the bucket holds it or not.
func (b *Bucket) Spend(now time.Time, n float64) {
	if !b.Unlimited() {
		b.fill(now)
		b.level -= n
	}
}

// Wait is how long from now until the bucket is out of debt.
func (b *Bucket) Wait(now time.Time) time.Duration {
	if b.Unlimited() {
		return 0
	}
	b.fill(now)
	// Sums of fractions are not exact: what is owed for less than a
	// microsecond is nothing.
	owed := -b.level / b.rate
	if owed < 1e-6 {
		return 0
	}
	const longest = float64(math.MaxInt64 / 2)
	return time.Duration(min(math.Ceil(owed*float64(time.Second)), longest))
}

// Set changes rate and burst, and keeps how full the bucket is, debt included.
func (b *Bucket) Set(rate, burst float64, now time.Time) {
	if b.Unlimited() || !(rate > 0) {
		*b = NewBucket(rate, burst, now)
		return
	}
	b.fill(now)
	if b.level > 0 && b.burst > 0 {
		b.level *= burst / b.burst
	}
	b.rate, b.burst = rate, burst
	b.level = min(b.level, b.burst)
}
