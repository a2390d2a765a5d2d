package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
)

const (
	recordBytes  = 1 << 10
	batchRecords = 500
)

// written is what was put and acknowledged.
type written struct {
	records int64
	bytes   int64  // of data and keys
	sum     uint64 // of the numbers that lead the payloads
	took    time.Duration
}

func (w *written) add(o written) {
	w.records += o.records
	w.bytes += o.bytes
	w.sum += o.sum
}

func (w written) rate() float64 { return float64(w.records) / w.took.Seconds() }

// source makes records with random data and a key of their own. The first eight
// bytes of the data are the record's number.
type source struct {
	random  *rand.ChaCha8
	records []client.Record
	data    []byte
	keys    []byte
}

func newSource(records int) *source {
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rand.Uint64())
	}
	return &source{random: rand.NewChaCha8(seed), records: make([]client.Record, records), data: make([]byte, records*recordBytes)}
}

// fill makes records number first and following. They are overwritten by the
// next call.
func (s *source) fill(first uint64) ([]client.Record, written) {
	_, _ = s.random.Read(s.data) // it never fails
	s.keys = s.keys[:0]
	ends := make([]int, len(s.records))
	w := written{records: int64(len(s.records))}
	for i := range s.records {
		id := first + uint64(i)
		data := s.data[i*recordBytes : (i+1)*recordBytes]
		binary.BigEndian.PutUint64(data, id)
		s.records[i].Data = data
		s.keys = strconv.AppendUint(append(s.keys, "key-"...), id, 10)
		ends[i] = len(s.keys)
		w.sum += id
	}
	all, begin := string(s.keys), 0
	for i, end := range ends {
		s.records[i].PartitionKey = all[begin:end]
		begin = end
	}
	w.bytes = int64(len(s.data) + len(all))
	return s.records, w
}

// number is what fill put in front of the data.
func number(data []byte) uint64 { return binary.BigEndian.Uint64(data) }

// load puts batches from several goroutines, each of which waits for its answer
// before it puts the next.
type load struct {
	client  *client.Client
	stream  string
	workers int
	records int     // of a batch; 1 puts single records
	rate    float64 // records/s of all together; 0: as fast as they go

	// The load ends when it has lasted so long and put so much.
	duration time.Duration
	bytes    int64

	first  uint64                              // number of the first record
	began  func(first uint64, at time.Time)    // a batch is about to be put; may be nil
	acked  func(first uint64, at time.Time)    // it was acknowledged; may be nil
	report func(sofar written, note time.Time) // every few seconds; may be nil

	start time.Time
	next  atomic.Uint64 // batch
	ended atomic.Bool

	mu    sync.Mutex
	due   time.Time // of the next batch, if there is a rate
	total written
	waits delays // from put to acknowledgement
}

// run loads until the end and tells what was stored.
func (l *load) run(ctx context.Context) (written, *delays, error) {
	l.start = time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range l.workers {
		group.Go(func() error { return l.work(ctx) })
	}
	stop := make(chan struct{})
	var reporter sync.WaitGroup
	if l.report != nil {
		reporter.Go(func() { l.tell(stop) })
	}
	err := group.Wait()
	close(stop)
	reporter.Wait()
	l.total.took = time.Since(l.start)
	return l.total, &l.waits, err
}

const tellEvery = 5 * time.Second

func (l *load) tell(stop <-chan struct{}) {
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			l.report(l.soFar(), now)
		case <-stop:
			return
		}
	}
}

func (l *load) soFar() written {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.total
	w.took = time.Since(l.start)
	return w
}

func (l *load) work(ctx context.Context) error {
	src := newSource(l.records)
	var waits delays
	for ctx.Err() == nil && !l.ended.Load() {
		if err := l.await(ctx); err != nil {
			return err
		}
		n := l.next.Add(1) - 1
		first := l.first + n*uint64(l.records)
		records, w := src.fill(first)
		begun := time.Now()
		if l.began != nil {
			l.began(first, begun)
		}
		if err := l.put(ctx, records); err != nil {
			return fmt.Errorf("put record %d: %w", first, err)
		}
		now := time.Now()
		if l.acked != nil {
			l.acked(first, now)
		}
		waits.add(now.Sub(begun))
		l.count(w, now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits.join(&waits)
	return nil
}

// await holds a batch back until its turn, if the load has a rate. A load that has
// fallen behind does not catch up: it is never more than its rate.
func (l *load) await(ctx context.Context) error {
	if l.rate == 0 {
		return nil
	}
	now := time.Now()
	l.mu.Lock()
	if l.due.Before(now) {
		l.due = now
	}
	wait := l.due.Sub(now)
	l.due = l.due.Add(time.Duration(float64(l.records) / l.rate * float64(time.Second)))
	l.mu.Unlock()
	if wait > 0 {
		return pause(ctx, wait)
	}
	return nil
}

func (l *load) put(ctx context.Context, records []client.Record) error {
	if len(records) == 1 {
		_, err := l.client.Put(ctx, l.stream, records[0])
		return err
	}
	_, err := l.client.PutMany(ctx, l.stream, records)
	return err
}

func (l *load) count(w written, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.add(w)
	if l.total.bytes >= l.bytes && now.Sub(l.start) >= l.duration {
		l.ended.Store(true)
	}
}
