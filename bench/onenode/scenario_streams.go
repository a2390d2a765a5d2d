package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/client"
)

const (
	manyStreams   = 1000
	streamRecords = 10 // in each
	starts        = 3
	goalStart     = 2 * time.Second
)

// runStreams starts a node that holds 1,000 streams of one shard.
func runStreams(ctx context.Context, b *bench) error {
	err := b.with(ctx, "streams1000", func(n *node) error { return b.makeStreams(ctx, n) })
	if err != nil {
		return errors.Join(err, b.remove("streams1000"))
	}
	best, worst := time.Duration(1<<62), time.Duration(0)
	for range starts {
		if err := evict(b.dataDir("streams1000")); err != nil {
			return err
		}
		err := b.with(ctx, "streams1000", func(n *node) error {
			best, worst = min(best, n.ready), max(worst, n.ready)
			return b.checkStreams(ctx, n)
		})
		if err != nil {
			return errors.Join(err, b.remove("streams1000"))
		}
	}
	b.report.below("streams1000", "start with 1,000 streams of 1 shard, worst of 3", goalStart.Seconds(), worst.Seconds(), seconds)
	b.report.note("streams1000", "the same, best of 3", took(best))
	killed, err := b.startAfterKill(ctx, "streams1000")
	if err != nil {
		return errors.Join(err, b.remove("streams1000"))
	}
	b.report.note("streams1000", "the same after kill -9", took(killed))
	return b.remove("streams1000")
}

func oneOfMany(i int) string { return fmt.Sprintf("many-%04d", i) }

// makeStreams creates them one after the other and puts some records into each.
func (b *bench) makeStreams(ctx context.Context, n *node) error {
	c, err := n.connect(1)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	begun := time.Now()
	for i := range manyStreams {
		if err := c.CreateStream(ctx, oneOfMany(i), 1, 0); err != nil {
			return fmt.Errorf("create %s: %w", oneOfMany(i), err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range manyStreams {
		group.Go(func() error { return putSome(ctx, c, oneOfMany(i)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.report.note("streams1000", "1,000 streams are created and given 10 records each", took(time.Since(begun)))
	return nil
}

func putSome(ctx context.Context, c *client.Client, name string) error {
	if _, err := c.WaitActive(ctx, name); err != nil {
		return fmt.Errorf("wait for %s: %w", name, err)
	}
	records, _ := newSource(streamRecords).fill(0)
	if _, err := c.PutMany(ctx, name, records); err != nil {
		return fmt.Errorf("put into %s: %w", name, err)
	}
	return nil
}

// checkStreams reads some of the streams: a start that serves nothing is none.
func (b *bench) checkStreams(ctx context.Context, n *node) error {
	c, err := n.connect(1)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for i := 0; i < manyStreams; i += manyStreams / 10 {
		read, err := readAll(ctx, c, oneOfMany(i))
		if err != nil {
			return err
		}
		if read.records != streamRecords {
			return fmt.Errorf("%s has %d records after the start, %d were put", oneOfMany(i), read.records, streamRecords)
		}
	}
	return nil
}

// startAfterKill starts a node, kills it and tells how long the next start takes.
func (b *bench) startAfterKill(ctx context.Context, name string) (time.Duration, error) {
	n, err := b.start(ctx, name)
	if err != nil {
		return 0, err
	}
	if err := n.kill(); err != nil {
		return 0, err
	}
	var took time.Duration
	err = b.with(ctx, name, func(n *node) error {
		took = n.ready
		return nil
	})
	return took, err
}
