package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

const (
	coldBytes  = 20_000_000_000
	coldShards = 24 // hold one to three records each
	warmShards = 64 // hold the rest
	goalCold   = 10 * time.Millisecond
	// spare is how much more than the data must be free: tables that are being
	// rewritten and the reserve of the node.
	spare = 1.5
)

// runCold stores much, and a few records of shards that then hear nothing more:
// their first record must be found at once.
func runCold(ctx context.Context, b *bench) error {
	if free, err := freeBytes(b.dir); err != nil || float64(free) < spare*float64(b.bytes(coldBytes)) {
		return errors.Join(err, fmt.Errorf("%.0f GB are free, %.0f are needed", float64(free)/1e9, spare*float64(b.bytes(coldBytes))/1e9))
	}
	var put written
	err := b.with(ctx, "cold", func(n *node) (err error) {
		put, err = b.fillCold(ctx, n)
		return err
	})
	if err != nil {
		return errors.Join(err, b.remove("cold"))
	}
	if err := evict(b.dataDir("cold")); err != nil {
		return errors.Join(err, b.remove("cold"))
	}
	err = b.with(ctx, "cold", func(n *node) error {
		first, err := readFirsts(ctx, n)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("first record of a cold shard, slowest of %d, %s stored, restarted, cold cache", coldShards, gigabytes(put.bytes))
		b.report.below("cold", what, goalCold.Seconds(), first.at(1).Seconds(), seconds)
		b.report.note("cold", "the same, median", took(first.at(0.5)))
		b.report.note("cold", "start of the node", took(n.ready))
		return nil
	})
	return errors.Join(err, b.remove("cold"))
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// fillCold puts a record into every cold shard, half of the load, a record into
// every third cold shard, the other half, and a record into every sixth.
func (b *bench) fillCold(ctx context.Context, n *node) (total written, err error) {
	c, err := n.connect(connections)
	if err != nil {
		return total, err
	}
	defer func() { _ = c.Close() }()
	if _, err := create(ctx, c, streamName, warmShards); err != nil {
		return total, err
	}
	if _, err := create(ctx, c, "cold", coldShards); err != nil {
		return total, err
	}
	for _, every := range []int{1, 3} {
		if err := putCold(ctx, c, every); err != nil {
			return total, err
		}
		part, _, err := b.load(ctx, n, "cold", &load{
			client: c, stream: streamName, workers: batchWorkers, records: batchRecords,
			bytes: b.bytes(coldBytes) / 2, first: uint64(total.records),
		})
		if err != nil {
			return total, err
		}
		total.add(part)
		total.took += part.took
	}
	if err := putCold(ctx, c, 6); err != nil {
		return total, err
	}
	b.memory(n, "cold")
	b.report.note("cold", "records/s while it was stored, 64 shards", perSecond(total.rate()))
	b.sayf("  waiting for compactions")
	_, err = n.drain(ctx)
	return total, err
}

func putCold(ctx context.Context, c *client.Client, every int) error {
	ranges := stream.EvenRanges(coldShards)
	for i := 0; i < coldShards; i += every {
		records, _ := newSource(1).fill(uint64(i))
		records[0].ExplicitHashKey = &ranges[i].Start
		if _, err := c.Put(ctx, "cold", records[0]); err != nil {
			return fmt.Errorf("put into cold shard %d: %w", i, err)
		}
	}
	return nil
}

// readFirsts reads the first record of every cold shard, each for the first time
// since the start, and tells how long that took: an iterator and a read.
func readFirsts(ctx context.Context, n *node) (*delays, error) {
	c, err := n.connect(1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	shards, err := shardNames(ctx, c, "cold") // the connection is made here, too
	if err != nil {
		return nil, err
	}
	var first delays
	for i, shard := range shards {
		begun := time.Now()
		token, err := c.Iterator(ctx, "cold", shard, client.Horizon())
		if err != nil {
			return nil, fmt.Errorf("iterator of cold shard %d: %w", i, err)
		}
		batch, _, err := c.Read(ctx, token, 1)
		if err != nil {
			return nil, fmt.Errorf("read cold shard %d: %w", i, err)
		}
		first.add(time.Since(begun))
		if err := isRecord(batch, uint64(i)); err != nil {
			return nil, err
		}
	}
	return &first, nil
}

func isRecord(b *client.Batch, id uint64) error {
	for r := range b.Records() {
		if got := number(r.Data); got != id {
			return fmt.Errorf("cold shard %d begins with record %d", id, got)
		}
		return nil
	}
	return fmt.Errorf("cold shard %d is empty", id)
}
