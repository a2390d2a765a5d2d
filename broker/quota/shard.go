package quota

import "time"

const mib = 1 << 20

// Limits are what a shard takes and gives a second. 0 stands for no limit.
type Limits struct {
	WriteRecords  float64
	WriteBytes    float64 // data and partition keys
	ReadCalls     float64 // of all polling readers
	ReadBytes     float64 // of all polling readers
	Iterators     float64
	ConsumerBytes float64 // of each registered consumer
}

// Kinesis is what Kinesis allows.
func Kinesis() Limits {
	return Limits{
		WriteRecords: 1000, WriteBytes: 1 * mib,
		ReadCalls: 5, ReadBytes: 2 * mib,
		Iterators: 5, ConsumerBytes: 2 * mib,
	}
}

// bigBurstSeconds is how long a shard that takes nothing saves up for large
// records: 10 MiB at 1 MiB a second, the largest record there is.
const bigBurstSeconds = 10

// Write keeps the write rates of one shard.
//
// Bytes come from a bucket of one second. What overflows it is saved, up to ten
// seconds' worth with the bucket, for records that are larger than the bucket:
// so these pass now and then, yet small records burst for a second only, and
// both together never pass faster than the rate for long.
type Write struct {
	records Bucket
	bytes   Bucket
	saved   float64
}

// NewWrite keeps l, with all there is to give.
func NewWrite(l Limits, now time.Time) Write {
	w := Write{
		records: NewBucket(l.WriteRecords, l.WriteRecords, now),
		bytes:   NewBucket(l.WriteBytes, l.WriteBytes, now),
	}
	w.saved = w.maxSaved()
	return w
}

// Halve leaves half of what there is to give: a leader that takes a shard over
// does not know what the last one gave.
func (w *Write) Halve() {
	w.records.Halve()
	w.bytes.Halve()
	w.saved /= 2
}

// Set changes the limits and keeps how far they are used.
func (w *Write) Set(l Limits, now time.Time) {
	w.records.Set(l.WriteRecords, l.WriteRecords, now)
	w.bytes.Set(l.WriteBytes, l.WriteBytes, now)
	w.saved = min(w.saved, w.maxSaved())
}

func (w *Write) maxSaved() float64 { return w.bytes.burst * (bigBurstSeconds - 1) }

// Take charges one record of size bytes, data and partition key, or refuses it
// and charges nothing.
func (w *Write) Take(now time.Time, size int) bool {
	if w.records.Level(now) < 1 || !w.takeBytes(now, float64(size)) {
		return false
	}
	w.records.Spend(now, 1)
	return true
}

func (w *Write) takeBytes(now time.Time, n float64) bool {
	if w.bytes.Unlimited() {
		return true
	}
	w.saved = min(w.saved+w.bytes.fill(now), w.maxSaved())
	fromSaved := 0.0
	if n > w.bytes.burst {
		fromSaved = min(n, w.saved)
	}
	if n-fromSaved > w.bytes.level {
		return false
	}
	w.saved -= fromSaved
	w.bytes.level -= n - fromSaved
	return true
}

// Read keeps the rates of one shard that its polling readers share.
type Read struct {
	calls Bucket
	bytes Bucket
}

// NewRead keeps l, with all there is to give.
func NewRead(l Limits, now time.Time) Read {
	return Read{
		calls: NewBucket(l.ReadCalls, l.ReadCalls, now),
		bytes: NewBucket(l.ReadBytes, l.ReadBytes, now),
	}
}

// Halve leaves half of what there is to give; see Write.
func (r *Read) Halve() {
	r.calls.Halve()
	r.bytes.Halve()
}

// Set changes the limits and keeps how far they are used.
func (r *Read) Set(l Limits, now time.Time) {
	r.calls.Set(l.ReadCalls, l.ReadCalls, now)
	r.bytes.Set(l.ReadBytes, l.ReadBytes, now)
}

// Take charges one call, or refuses it while earlier answers are not paid off.
// What the call returns is charged by Pay.
func (r *Read) Take(now time.Time) bool {
	return r.bytes.Wait(now) == 0 && r.calls.Take(now, 1)
}

// Pay charges what a call returned. An answer of more than a second's bytes
// blocks the shard for as long as its bytes take at the rate: 10 MiB for five
// seconds.
func (r *Read) Pay(now time.Time, bytes int) {
	n := float64(bytes)
	r.bytes.Spend(now, n)
	if !r.bytes.Unlimited() && n > r.bytes.burst {
		r.bytes.level = min(r.bytes.level, -n)
	}
}

// Consumer keeps the rate at which one registered consumer is sent one shard.
// It refuses nothing: its sender waits.
type Consumer struct{ bytes Bucket }

// NewConsumer keeps l.ConsumerBytes.
func NewConsumer(l Limits, now time.Time) Consumer {
	return Consumer{bytes: NewBucket(l.ConsumerBytes, l.ConsumerBytes, now)}
}

// Wait is how long from now until more may be sent.
func (c *Consumer) Wait(now time.Time) time.Duration { return c.bytes.Wait(now) }

// Pay charges what was sent.
func (c *Consumer) Pay(now time.Time, bytes int) { c.bytes.Spend(now, float64(bytes)) }
