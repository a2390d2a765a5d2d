package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
)

const (
	manyShards = 1000
	goalCreate = 2.0 // seconds
)

// runShards loads a stream of 1,000 shards in every way at once that costs
// memory: batches over all shards, a subscriber on each, single puts, and a read
// of everything from the start by 1,000 readers together.
func runShards(ctx context.Context, b *bench) error {
	err := b.with(ctx, "shards1000", func(n *node) error {
		c, err := n.connect(connections)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		created, err := create(ctx, c, streamName, manyShards)
		if err != nil {
			return err
		}
		b.report.below("shards1000", "a stream of 1,000 shards is created", goalCreate, created.Seconds(), seconds)
		put, err := b.loadShards(ctx, n, c)
		if err != nil {
			return err
		}
		b.sayf("  reading back with %d readers", manyShards)
		read, err := b.readBack(ctx, n, "shards1000-read", c, put)
		if err != nil {
			return err
		}
		b.report.note("shards1000", "reading back from the start, 1,000 readers at once", megabytesPerSecond(float64(read.bytes)/read.took.Seconds()))
		b.phase(n, "1,000 readers from the start")
		b.memory(n, "shards1000")
		return nil
	})
	return errors.Join(err, b.remove("shards1000"))
}

// loadShards puts batches, then batches with a subscriber on every shard, then
// single records with them.
func (b *bench) loadShards(ctx context.Context, n *node, c *client.Client) (written, error) {
	total, _, err := b.load(ctx, n, "shards1000-batches", &load{
		client: c, stream: streamName, workers: batchWorkers, records: batchRecords, duration: b.seconds(fullSeconds),
	})
	if err != nil {
		return total, err
	}
	b.report.note("shards1000", "records/s over 1,000 shards, batches of 500", perSecond(total.rate()))
	if err := b.amplification(ctx, n, "shards1000", total); err != nil {
		return total, err
	}
	b.phase(n, "batches")

	tails, err := b.tails(ctx, n, c)
	if err != nil {
		return total, err
	}
	for _, kind := range []struct {
		what             string
		workers, records int
	}{{"batches", batchWorkers, batchRecords}, {"single", callers, 1}} {
		part, _, err := b.load(ctx, n, "shards1000-tailed-"+kind.what, &load{
			client: c, stream: streamName, workers: kind.workers, records: kind.records,
			duration: b.seconds(fullSeconds / 2), first: uint64(total.records),
		})
		if err != nil {
			return total, errors.Join(err, tails.end())
		}
		total.add(part)
		b.report.note("shards1000", "records/s with 1,000 subscribers, "+kind.what, perSecond(part.rate()))
		b.phase(n, kind.what+" with 1,000 subscribers")
	}
	return total, tails.end()
}

// phase notes the memory since the phase before.
func (b *bench) phase(n *node, what string) {
	b.report.note("shards1000", "resident memory: "+what, mebibytes(float64(n.memory.phase())))
}

// tailers read what comes, each shard by its own subscription.
type tailers struct {
	stop    context.CancelFunc
	group   errgroup.Group
	records atomic.Int64
	client  *client.Client
}

func (b *bench) tails(ctx context.Context, n *node, c *client.Client) (*tailers, error) {
	shards, err := shardNames(ctx, c, streamName)
	if err != nil {
		return nil, err
	}
	t := &tailers{}
	if t.client, err = n.connect(connections); err != nil {
		return nil, err
	}
	ctx, t.stop = context.WithCancel(ctx)
	for _, shard := range shards {
		t.group.Go(func() error {
			return subscribe(ctx, t.client, streamName, shard, client.Latest(), func(batch *client.Batch) error {
				t.records.Add(int64(batch.Len()))
				return nil
			})
		})
	}
	return t, nil
}

func (t *tailers) end() error {
	t.stop()
	err := t.group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if t.records.Load() == 0 && err == nil {
		err = fmt.Errorf("the subscribers have got nothing")
	}
	return errors.Join(err, t.client.Close())
}
