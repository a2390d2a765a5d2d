package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
)

const goalTail = 5 * time.Millisecond

// runTail puts batches at half the rate of batch and measures when subscribers
// have the records.
func runTail(ctx context.Context, b *bench) error {
	if b.batchRate == 0 {
		return errors.New("it needs the rate of batch: run batch,tail or give -batch-rate")
	}
	err := b.with(ctx, "tail", func(n *node) error {
		c, err := n.connect(connections)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		reader, err := n.connect(1)
		if err != nil {
			return err
		}
		defer func() { _ = reader.Close() }()
		if _, err := create(ctx, c, streamName, loadShards); err != nil {
			return err
		}
		t := newTailing(b.batchRate/2, b.seconds(fullSeconds))
		put, err := t.run(ctx, b, n, c, reader)
		if err != nil {
			return err
		}
		t.figures(b, put)
		b.memory(n, "tail")
		return nil
	})
	return errors.Join(err, b.remove("tail"))
}

// tailing notes when each batch was put and acknowledged and when each record
// was received, as nanoseconds since the beginning.
type tailing struct {
	rate     float64
	duration time.Duration
	origin   time.Time

	put, acked []int64 // by batch
	received   []int64 // by record; written by the reader of its shard only
	count      atomic.Int64
}

func newTailing(rate float64, duration time.Duration) *tailing {
	batches := int(rate*duration.Seconds()/batchRecords)*11/10 + 1000
	return &tailing{
		rate: rate, duration: duration, origin: time.Now(),
		put: make([]int64, batches), acked: make([]int64, batches), received: make([]int64, batches*batchRecords),
	}
}

func (t *tailing) run(ctx context.Context, b *bench, n *node, c, reader *client.Client) (written, error) {
	shards, err := shardNames(ctx, reader, streamName)
	if err != nil {
		return written{}, err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var readers errgroup.Group
	for _, shard := range shards {
		readers.Go(func() error {
			return subscribe(reading, reader, streamName, shard, client.Horizon(), t.receive)
		})
	}
	put, _, err := b.load(ctx, n, "tail", &load{
		client: c, stream: streamName, workers: batchWorkers, records: batchRecords, rate: t.rate, duration: t.duration,
		began: func(first uint64, at time.Time) { t.put[first/batchRecords] = int64(at.Sub(t.origin)) },
		acked: func(first uint64, at time.Time) { t.acked[first/batchRecords] = int64(at.Sub(t.origin)) },
	})
	if err != nil {
		return written{}, err
	}
	late := time.Now().Add(30 * time.Second)
	for t.count.Load() < put.records && time.Now().Before(late) && err == nil {
		err = pause(ctx, 10*time.Millisecond)
	}
	stop()
	if errReaders := readers.Wait(); ctx.Err() == nil && errReaders != nil && !errors.Is(errReaders, context.Canceled) {
		err = errors.Join(err, errReaders)
	}
	if got := t.count.Load(); err == nil && got != put.records {
		err = fmt.Errorf("%d records were acknowledged, subscribers have got %d", put.records, got)
	}
	return put, err
}

// receive takes a batch of a subscription. Records beyond the room for times are
// counted only.
func (t *tailing) receive(b *client.Batch) error {
	now := int64(time.Since(t.origin))
	n := int64(0)
	for r := range b.Records() {
		n++
		if id := number(r.Data); id < uint64(len(t.received)) {
			t.received[id] = now
		}
	}
	t.count.Add(n)
	return nil
}

// figures tells the delays. A subscriber may have a record before the producer
// has the acknowledgement: then there is no delay.
func (t *tailing) figures(b *bench, put written) {
	var afterAck, afterPut delays
	for id := range min(put.records, int64(len(t.received))) {
		batch := id / batchRecords
		afterAck.add(time.Duration(max(0, t.received[id]-t.acked[batch])))
		afterPut.add(time.Duration(t.received[id] - t.put[batch]))
	}
	what := fmt.Sprintf("from acknowledgement to subscriber, p99, at %s", perSecond(put.rate()))
	b.report.below("tail", what, goalTail.Seconds(), afterAck.at(0.99).Seconds(), seconds)
	b.report.note("tail", "the same, p50 / p99.9 / highest", fmt.Sprintf("%s / %s / %s", took(afterAck.at(0.5)), took(afterAck.at(0.999)), took(afterAck.at(1))))
	b.report.note("tail", "from put to subscriber, p50 / p99", took(afterPut.at(0.5))+" / "+took(afterPut.at(0.99)))
	if share := put.rate() / t.rate; math.Abs(share-1) > 0.05 {
		b.report.note("tail", "share of the wanted load that was reached", ratio(share))
	}
}
