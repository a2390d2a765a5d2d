package checker

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// Checker collects what happened. Its methods may be called by any number of
// goroutines; Check when all of them are done.
type Checker struct {
	seed    uint64
	started time.Time
	now     func() int64 // nanoseconds since started, by the monotonic clock
	keySeed maphash.Seed

	mu      sync.Mutex
	streams map[string]int
	names   []string
	puts    []put // by id
	readers []*Reader
}

// outcome is what became of a put.
type outcome uint8

const (
	unknown outcome = iota // it may be stored; so is one whose answer never came
	acked
	refused // it is certainly not stored
)

type put struct {
	begun, ended int64
	key          uint64
	position     stream.Position
	created      int64
	shard        uint32
	size         uint32
	stream       uint16
	copies       uint16 // how often the payload may be stored
	outcome      outcome
}

// New makes a checker. seed sets the payloads: two runs against the same stream
// need two.
func New(seed uint64) *Checker {
	c := &Checker{seed: seed, started: time.Now(), keySeed: maphash.MakeSeed(), streams: map[string]int{}}
	c.now = func() int64 { return int64(time.Since(c.started)) }
	return c
}

func (c *Checker) streamIndex(name string) int {
	i, ok := c.streams[name]
	if !ok {
		i = len(c.names)
		c.streams[name] = i
		c.names = append(c.names, name)
	}
	return i
}

// Put is a put under way.
type Put struct {
	c    *Checker
	id   uint64
	Data []byte // what to put
}

// Begin tells that a record of size bytes (at least MinPayload) is about to be
// put, and makes its data. Each put begins once, even if it is one of many in a
// call, and ends by Acked or Refused; one that ends by neither may or may not be
// stored.
func (c *Checker) Begin(streamName, partitionKey string, size int) Put {
	size = max(size, MinPayload)
	key := maphash.String(c.keySeed, partitionKey)
	c.mu.Lock()
	id := uint64(len(c.puts))
	c.puts = append(c.puts, put{
		begun: c.now(), key: key, size: uint32(size), copies: 1,
		stream: uint16(c.streamIndex(streamName)),
	})
	c.mu.Unlock()
	return Put{c: c, id: id, Data: payload(c.seed, id, size)}
}

// Retried tells that the same data is put once more, because the last answer
// left open whether it is stored: so it may be stored once more.
func (p Put) Retried() {
	p.c.mu.Lock()
	p.c.puts[p.id].copies++
	p.c.mu.Unlock()
}

// Acked tells that the put was answered: stored at seq. Call it at once: the
// time of the call is taken for that of the answer.
func (p Put) Acked(seq stream.Sequence) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	u := &p.c.puts[p.id]
	u.ended, u.outcome = p.c.now(), acked
	u.shard, u.position, u.created = seq.Shard, seq.Position, seq.CreatedSec
}

// Refused tells that the put was answered: certainly not stored.
func (p Put) Refused() {
	p.c.mu.Lock()
	p.c.puts[p.id].outcome = refused
	p.c.mu.Unlock()
}

// Counts are how many puts ended how.
type Counts struct{ Acked, Refused, Unknown int }

// Counts tells how the puts so far ended.
func (c *Checker) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n Counts
	for i := range c.puts {
		switch c.puts[i].outcome {
		case acked:
			n.Acked++
		case refused:
			n.Refused++
		case unknown:
			n.Unknown++
		}
	}
	return n
}

// Reader is one pass over one shard: what was served, in the order served. It is
// used by one goroutine.
type Reader struct {
	c        *Checker
	stream   int
	shard    uint32
	begun    int64
	complete bool
	served   []served
}

type served struct {
	position  stream.Position
	created   int64
	arrivedMs int64
	at        int64 // when
	id        uint64
	fault     fault
}

// fault is what is wrong with a record by itself.
type fault uint8

const (
	sound     fault = iota
	foreign         // no put has this payload
	changed         // a put's payload, but not as it was put
	elsewhere       // its number names another shard
)

// Reader begins a pass over a shard.
func (c *Checker) Reader(streamName string, shard uint32) *Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &Reader{c: c, stream: c.streamIndex(streamName), shard: shard, begun: c.now()}
	c.readers = append(c.readers, r)
	return r
}

// Served tells what the reader was served next. arrivedMs is 0 if it was not told.
func (r *Reader) Served(seq stream.Sequence, arrivedMs int64, partitionKey string, data []byte) {
	s := served{position: seq.Position, created: seq.CreatedSec, arrivedMs: arrivedMs, at: r.c.now()}
	s.id, s.fault = r.c.recognise(r.stream, partitionKey, data)
	if seq.Shard != r.shard {
		s.fault = elsewhere
	}
	r.served = append(r.served, s)
}

func (c *Checker) recognise(streamIndex int, partitionKey string, data []byte) (uint64, fault) {
	id, ok := payloadID(c.seed, data)
	if !ok {
		return 0, foreign
	}
	c.mu.Lock()
	if id >= uint64(len(c.puts)) {
		c.mu.Unlock()
		return 0, foreign
	}
	p := c.puts[id]
	c.mu.Unlock()
	switch {
	case int(p.stream) != streamIndex || int(p.size) != len(data) ||
		p.key != maphash.String(c.keySeed, partitionKey) || !intact(c.seed, id, data):
		return id, changed
	}
	return id, sound
}

// Complete tells that the pass began at the oldest record and came to the end of
// the shard. It must have met every put that was acknowledged and every record
// that was served before it began, and every acknowledged put needs such a pass.
func (r *Reader) Complete() { r.complete = true }

// Copy makes a checker that knows the same puts and no readers, to check what
// another copy of the same log serves.
func Copy(c *Checker) *Checker {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &Checker{
		seed: c.seed, started: c.started, now: c.now, keySeed: c.keySeed,
		streams: maps.Clone(c.streams), names: slices.Clone(c.names), puts: slices.Clone(c.puts),
	}
	return d
}
