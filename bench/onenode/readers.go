package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
)

// shardNames lists the shards of a stream.
func shardNames(ctx context.Context, c *client.Client, name string) ([]string, error) {
	shards, err := c.ListShards(ctx, name, client.ShardFilter{})
	if err != nil {
		return nil, fmt.Errorf("list shards of %s: %w", name, err)
	}
	var ids []string
	for _, s := range shards {
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// create makes a stream and waits until it can be used.
func create(ctx context.Context, c *client.Client, name string, shards int) (time.Duration, error) {
	begun := time.Now()
	if err := c.CreateStream(ctx, name, shards, 0); err != nil {
		return 0, fmt.Errorf("create %s: %w", name, err)
	}
	if _, err := c.WaitActive(ctx, name); err != nil {
		return 0, fmt.Errorf("wait for %s: %w", name, err)
	}
	return time.Since(begun), nil
}

// errEnough ends readers that have all they wanted.
var errEnough = errors.New("enough was read")

// readAll reads every shard of a stream from the start, all together, and counts
// what comes until each has been read up to its newest record.
func readAll(ctx context.Context, c *client.Client, name string) (written, error) {
	shards, err := shardNames(ctx, c, name)
	if err != nil {
		return written{}, err
	}
	parts := make([]written, len(shards))
	begun := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, shard := range shards {
		group.Go(func() error { return readShard(ctx, c, name, shard, &parts[i]) })
	}
	if err := group.Wait(); err != nil {
		return written{}, fmt.Errorf("read %s: %w", name, err)
	}
	var all written
	for _, p := range parts {
		all.add(p)
	}
	all.took = time.Since(begun)
	return all, nil
}

func readShard(ctx context.Context, c *client.Client, name, shard string, into *written) error {
	err := subscribe(ctx, c, name, shard, client.Horizon(), func(b *client.Batch) error {
		for r := range b.Records() {
			into.records++
			into.bytes += int64(len(r.Data) + len(r.PartitionKey))
			into.sum += number(r.Data)
		}
		if b.MillisBehind == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// subscribe calls with every batch of a shard until that fails. Batches may be
// empty while nothing new comes.
func subscribe(ctx context.Context, c *client.Client, name, shard string, from client.From, take func(*client.Batch) error) error {
	sub, err := c.Subscribe(ctx, name, shard, from, client.WithIdle())
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if err := take(b); err != nil {
			return err
		}
	}
}

// same tells whether what was read is what was acknowledged: as many records,
// and the sum of their numbers.
func same(put, read written) error {
	if put.records != read.records || put.bytes != read.bytes || put.sum != read.sum {
		return fmt.Errorf("%d records of %d bytes (sum %x) were acknowledged, %d of %d (sum %x) were read",
			put.records, put.bytes, put.sum, read.records, read.bytes, read.sum)
	}
	return nil
}
