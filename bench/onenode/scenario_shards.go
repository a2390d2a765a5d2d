package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

const (
	manyShards      = 1000
	manyConnections = 64
	goalCreate      = 2.0 // seconds
)

// runShards loads a stream of 1,000 shards in every way that costs memory: batches
// over all shards, a subscriber on each, single puts, far more batches than there is
// memory for, a read of everything by 1,000 readers together, and pollers.
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
		if err := b.readShards(ctx, n, c, put); err != nil {
			return err
		}
		b.memory(n, "shards1000")
		return nil
	})
	return errors.Join(err, b.remove("shards1000"))
}

// loadShards puts batches, then batches with a subscriber on every shard, then
// single records with them, then batches of very many producers.
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
	if err := b.loadTailed(ctx, n, c, &total); err != nil {
		return total, err
	}
	many, err := n.connect(manyConnections)
	if err != nil {
		return total, err
	}
	defer func() { _ = many.Close() }()
	return total, b.loadMore(ctx, n, "batches of 256 producers over 64 connections", &total, &load{
		client: many, workers: callers, records: batchRecords, duration: b.seconds(fullSeconds / 2),
	})
}

// loadTailed puts while there is a subscriber on every shard.
func (b *bench) loadTailed(ctx context.Context, n *node, c *client.Client, total *written) error {
	tails, err := b.tails(ctx, n, c)
	if err != nil {
		return err
	}
	for _, l := range []*load{{workers: batchWorkers, records: batchRecords}, {workers: callers, records: 1}} {
		l.client, l.duration = c, b.seconds(fullSeconds/2)
		what := "batches with 1,000 subscribers"
		if l.records == 1 {
			what = "single puts of 256 callers with 1,000 subscribers"
		}
		if err := b.loadMore(ctx, n, what, total, l); err != nil {
			return errors.Join(err, tails.end())
		}
	}
	return tails.end()
}

// loadMore adds to what was put and notes speed and memory.
func (b *bench) loadMore(ctx context.Context, n *node, what string, total *written, l *load) error {
	l.stream, l.first = streamName, uint64(total.records)
	part, _, err := b.load(ctx, n, "shards1000-"+strings.ReplaceAll(what, " ", "-"), l)
	if err != nil {
		return err
	}
	total.add(part)
	b.report.note("shards1000", "records/s, "+what, perSecond(part.rate()))
	b.phase(n, what)
	return nil
}

// readShards reads everything from the start, by subscriptions and by polling.
func (b *bench) readShards(ctx context.Context, n *node, c *client.Client, put written) error {
	b.sayf("  reading back with %d readers", manyShards)
	read, err := b.readBack(ctx, n, "shards1000-read", c, put)
	if err != nil {
		return err
	}
	b.report.note("shards1000", "reading back from the start, 1,000 readers at once", megabytesPerSecond(float64(read.bytes)/read.took.Seconds()))
	b.phase(n, "1,000 readers from the start")
	polled, err := poll(ctx, c, callers, b.seconds(fullSeconds/4))
	if err != nil {
		return err
	}
	b.report.note("shards1000", "256 callers that poll from the start", megabytesPerSecond(float64(polled.bytes)/polled.took.Seconds()))
	b.phase(n, "256 pollers")
	return nil
}

// poll reads with iterators, each caller the beginnings of other shards.
func poll(ctx context.Context, c *client.Client, callers int, d time.Duration) (written, error) {
	begun := time.Now()
	parts := make([]written, callers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range callers {
		group.Go(func() error {
			for shard := i; time.Since(begun) < d; shard = (shard + callers) % manyShards {
				token, err := c.Iterator(ctx, streamName, stream.ShardName(uint32(shard)), client.Horizon())
				if err != nil {
					return fmt.Errorf("iterator: %w", err)
				}
				batch, _, err := c.Read(ctx, token, 0)
				if err != nil {
					return fmt.Errorf("poll: %w", err)
				}
				for r := range batch.Records() {
					parts[i].bytes += int64(len(r.Data) + len(r.PartitionKey))
				}
			}
			return nil
		})
	}
	err := group.Wait()
	var all written
	for _, p := range parts {
		all.add(p)
	}
	all.took = time.Since(begun)
	return all, err
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
