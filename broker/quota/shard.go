package quota

import "time"

const mib = 1 << 20

// Unlimited as a limit turns it off.
const Unlimited = -1

// How full the buckets of a shard begin. A new shard's are full. A leader that
// takes a shard over does not know what the last one gave.
const (
	Full      = 1.0
	NewLeader = 0.5
)

// Limits are what a shard takes and gives a second. 0 stands for what Kinesis
// allows, Unlimited for no limit.
type Limits struct {
	WriteRecords  int64 // 1,000
	WriteBytes    int64 // 1 MiB of data and partition keys
	ReadCalls     int64 // 5, shared by all polling readers
	ReadBytes     int64 // 2 MiB, shared by all polling readers
	Iterators     int64 // 5
	ConsumerBytes int64 // 2 MiB, for each registered consumer
}

// Kinesis is what Kinesis allows.
var Kinesis = Limits{
	WriteRecords: 1000, WriteBytes: 1 * mib,
	ReadCalls: 5, ReadBytes: 2 * mib,
	Iterators: 5, ConsumerBytes: 2 * mib,
}

func limit(set, standard int64) float64 {
	if set == 0 {
		set = standard
	}
	return float64(set)
}

// bigBurstSeconds is how long a shard that takes nothing saves up for large
// records: 10 MiB at 1 MiB a second, the largest record there is.
const bigBurstSeconds = 10

// Shard keeps the rates of one shard.
type Shard struct {
	records   Bucket
	bytes     Bucket
	saved     float64 // bytes beyond the burst that were not used, for large records
	reads     Bucket
	readBytes Bucket
	iterators Bucket
}

// NewShard keeps l. fill is Full or NewLeader.
func NewShard(l Limits, fill float64, now time.Time) Shard {
	second := func(set, standard int64) Bucket {
		rate := limit(set, standard)
		return NewBucket(rate, rate, fill, now)
	}
	s := Shard{
		records:   second(l.WriteRecords, Kinesis.WriteRecords),
		bytes:     second(l.WriteBytes, Kinesis.WriteBytes),
		reads:     second(l.ReadCalls, Kinesis.ReadCalls),
		readBytes: second(l.ReadBytes, Kinesis.ReadBytes),
		iterators: second(l.Iterators, Kinesis.Iterators),
	}
	s.saved = s.maxSaved() * fill
	return s
}

// Set changes the limits and keeps how far each is used.
func (s *Shard) Set(l Limits, now time.Time) {
	set := func(b *Bucket, set, standard int64) {
		rate := limit(set, standard)
		b.Set(rate, rate, now)
	}
	set(&s.records, l.WriteRecords, Kinesis.WriteRecords)
	set(&s.bytes, l.WriteBytes, Kinesis.WriteBytes)
	set(&s.reads, l.ReadCalls, Kinesis.ReadCalls)
	set(&s.readBytes, l.ReadBytes, Kinesis.ReadBytes)
	set(&s.iterators, l.Iterators, Kinesis.Iterators)
	s.saved = min(s.saved, s.maxSaved())
}

func (s *Shard) maxSaved() float64 { return s.bytes.burst * (bigBurstSeconds - 1) }

// Write charges one record of size bytes, data and partition key, or refuses it
// and charges nothing.
//
// Bytes come from a bucket of one second. What overflows it is saved, up to ten
// seconds' worth with the bucket, for records that are larger than the bucket:
// so these pass now and then, yet small records burst for a second only, and
// both together never pass faster than the rate for long.
func (s *Shard) Write(now time.Time, size int) bool {
	if !s.records.Unlimited() && s.records.Level(now) < 1 {
		return false
	}
	if !s.takeBytes(now, float64(size)) {
		return false
	}
	s.records.Spend(now, 1)
	return true
}

func (s *Shard) takeBytes(now time.Time, n float64) bool {
	if s.bytes.Unlimited() {
		return true
	}
	s.saved = min(s.saved+s.bytes.fill(now), s.maxSaved())
	fromSaved := 0.0
	if n > s.bytes.burst {
		fromSaved = min(n, s.saved)
	}
	if n-fromSaved > s.bytes.level {
		return false
	}
	s.saved -= fromSaved
	s.bytes.level -= n - fromSaved
	return true
}

// Read charges one polling read, or refuses it while an earlier answer is not
// paid off. What is read is charged by Served.
func (s *Shard) Read(now time.Time) bool {
	if s.readBytes.Wait(now) > 0 {
		return false
	}
	return s.reads.Take(now, 1)
}

// Served charges what a polling read returned. An answer of more than a second's
// bytes blocks the shard for as long as its bytes take at the rate: 10 MiB for
// five seconds.
func (s *Shard) Served(now time.Time, bytes int) {
	n := float64(bytes)
	s.readBytes.Spend(now, n)
	if b := &s.readBytes; !b.Unlimited() && n > b.burst {
		b.level = min(b.level, -n)
	}
}

// Iterator charges one GetShardIterator, or refuses it.
func (s *Shard) Iterator(now time.Time) bool { return s.iterators.Take(now, 1) }

// Consumer keeps the rate at which one registered consumer is sent one shard.
// It refuses nothing: its sender waits.
type Consumer struct{ bytes Bucket }

// NewConsumer keeps l.ConsumerBytes.
func NewConsumer(l Limits, fill float64, now time.Time) Consumer {
	rate := limit(l.ConsumerBytes, Kinesis.ConsumerBytes)
	return Consumer{bytes: NewBucket(rate, rate, fill, now)}
}

// Wait is how long from now until more may be sent.
func (c *Consumer) Wait(now time.Time) time.Duration { return c.bytes.Wait(now) }

// Sent charges what was sent.
func (c *Consumer) Sent(now time.Time, bytes int) { c.bytes.Spend(now, float64(bytes)) }
