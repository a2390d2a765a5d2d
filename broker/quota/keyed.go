package quota

import "time"

// Keyed is a bucket for each key, all of the same rate and a burst of one
// second, as the control plane has them for each operation and stream. It
// forgets the keys whose buckets are full again, so that it holds no more than a
// second or two of calls named.
type Keyed[K comparable] struct {
	rate    float64
	buckets map[K]*Bucket
	sweepAt int // how many keys there may be before the next sweep
}

const keyedSweep = 64

// NewKeyed gives each key rate a second. A rate that is not positive stands for
// no limit.
func NewKeyed[K comparable](rate float64) *Keyed[K] {
	return &Keyed[K]{rate: rate, buckets: map[K]*Bucket{}, sweepAt: keyedSweep}
}

// Take charges one call of key, or refuses it.
func (k *Keyed[K]) Take(now time.Time, key K) bool {
	if !(k.rate > 0) {
		return true
	}
	b, ok := k.buckets[key]
	if !ok {
		if len(k.buckets) >= k.sweepAt {
			k.sweep(now)
		}
		fresh := NewBucket(k.rate, max(k.rate, 1), now)
		b = &fresh
		k.buckets[key] = b
	}
	return b.Take(now, 1)
}

// Keys is how many keys are held.
func (k *Keyed[K]) Keys() int { return len(k.buckets) }

func (k *Keyed[K]) sweep(now time.Time) {
	for key, b := range k.buckets {
		if b.Level(now) >= b.burst {
			delete(k.buckets, key)
		}
	}
	k.sweepAt = max(keyedSweep, 2*len(k.buckets))
}
