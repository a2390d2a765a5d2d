// Package quota holds the rates of shards and of calls: token buckets whose
// time is a parameter, so that they need neither clock nor goroutine. Values
// are not safe for concurrent use; their owner locks. A clock that goes back
// gives nothing and takes nothing.
package quota

import "time"

const mib = 1 << 20

// Rates are the limits of one shard. A rate of 0 or less is no limit.
type Rates struct {
	WriteRecords float64 // per second
	WriteBytes   float64 // per second
	WriteBurst   float64 // bytes that records larger than one second's rate may take at once
	ReadCalls    float64 // per second
	ReadBytes    float64 // per second
	Iterators    float64 // GetShardIterator calls per second
}

// Kinesis are the limits that Kinesis puts on a shard.
func Kinesis() Rates {
	return Rates{WriteRecords: 1000, WriteBytes: mib, WriteBurst: 10 * mib, ReadCalls: 5, ReadBytes: 2 * mib, Iterators: 5}
}

// Bucket is a token bucket. The zero Bucket has no limit.
type Bucket struct {
	rate, burst float64
	have        float64
	at          time.Time
}

// NewBucket makes a full bucket: rate tokens per second, burst at most.
func NewBucket(rate, burst float64, now time.Time) Bucket {
	return Bucket{rate: rate, burst: burst, have: burst, at: now}
}

// Halve leaves at most half of the burst: what a new leader starts with, who
// does not know what the old one has granted.
func (b *Bucket) Halve() { b.have = min(b.have, b.burst/2) }

func (b *Bucket) unlimited() bool { return b.rate <= 0 }

func (b *Bucket) refill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.have = min(b.burst, b.have+passed*b.rate)
		b.at = now
	}
}

// Take takes n tokens if there are so many.
func (b *Bucket) Take(now time.Time, n float64) bool {
	if b.unlimited() {
		return true
	}
	b.refill(now)
	if b.have < n {
		return false
	}
	b.have -= n
	return true
}

// Write is the write quota of a shard.
type Write struct {
	records, bytes Bucket
	large          Bucket
}

// NewWrite makes the write quota of a shard, full.
func NewWrite(r Rates, now time.Time) Write {
	return Write{
		records: NewBucket(r.WriteRecords, r.WriteRecords, now),
		bytes:   NewBucket(r.WriteBytes, r.WriteBytes, now),
		large:   NewBucket(r.WriteBytes, max(r.WriteBurst, r.WriteBytes), now),
	}
}

// Halve is Bucket.Halve.
func (w *Write) Halve() {
	w.records.Halve()
	w.bytes.Halve()
	w.large.Halve()
}

// Take charges one record of so many bytes (data and key), or refuses it and
// charges nothing. A record larger than one second's rate takes from the burst
// instead, and leaves nothing for the second it comes in.
func (w *Write) Take(now time.Time, bytes int) bool {
	n := float64(bytes)
	w.records.refill(now)
	w.bytes.refill(now)
	w.large.refill(now)
	if !w.records.unlimited() && w.records.have < 1 {
		return false
	}
	if !w.bytes.unlimited() && !w.takeBytes(n) {
		return false
	}
	w.records.have--
	return true
}

func (w *Write) takeBytes(n float64) bool {
	if n > w.bytes.burst {
		if w.large.have < n || w.bytes.have <= 0 {
			return false
		}
		w.bytes.have = 0
	} else {
		if w.bytes.have < n {
			return false
		}
		w.bytes.have -= n
	}
	w.large.have = max(0, w.large.have-n)
	return true
}

// Read is the read quota that the pollers of a shard share.
type Read struct{ calls, bytes Bucket }

// NewRead makes the read quota of a shard, full.
func NewRead(r Rates, now time.Time) Read {
	return Read{calls: NewBucket(r.ReadCalls, r.ReadCalls, now), bytes: NewBucket(r.ReadBytes, r.ReadBytes, now)}
}

// Halve is Bucket.Halve.
func (r *Read) Halve() {
	r.calls.Halve()
	r.bytes.Halve()
}

// Take charges a call, or refuses it while the shard is in debt.
func (r *Read) Take(now time.Time) bool {
	if !r.bytes.unlimited() {
		r.bytes.refill(now)
		if r.bytes.have <= 0 {
			return false
		}
	}
	return r.calls.Take(now, 1)
}

// Pay takes what a call has returned. A reply larger than what is left puts the
// shard in debt for as long as the whole reply takes at its rate: 10 MiB at
// 2 MiB/s for five seconds.
func (r *Read) Pay(now time.Time, bytes int) {
	if r.bytes.unlimited() {
		return
	}
	r.bytes.refill(now)
	n := float64(bytes)
	if n > r.bytes.have {
		r.bytes.have = min(r.bytes.have, 0) - n
		return
	}
	r.bytes.have -= n
}
