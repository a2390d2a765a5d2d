package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	goalSingle256 = 40_000
	goalSingle1   = time.Millisecond
	callers       = 256
)

// runSingle256 has many callers that each put one record and wait.
func runSingle256(ctx context.Context, b *bench) error {
	err := b.with(ctx, "single256", func(n *node) error {
		put, waits, err := b.single(ctx, n, "single256", callers, b.bytes(fullBytes))
		if err != nil {
			return err
		}
		b.report.atLeast("single256", fmt.Sprintf("records/s, 256 callers that each put 1 KiB and wait, %s", size(put)), goalSingle256, put.rate(), perSecond)
		b.report.note("single256", "from put to acknowledgement, p50 / p99", took(waits.at(0.5))+" / "+took(waits.at(0.99)))
		if err := b.amplification(ctx, n, "single256", put); err != nil {
			return err
		}
		b.memory(n, "single256")
		return nil
	})
	return errors.Join(err, b.remove("single256"))
}

// runSingle1 has one caller, which puts one record after the other.
func runSingle1(ctx context.Context, b *bench) error {
	err := b.with(ctx, "single1", func(n *node) error {
		put, waits, err := b.single(ctx, n, "single1", 1, 0)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("one caller, 1 KiB, median of %s puts", grouped(float64(put.records)))
		b.report.below("single1", what, goalSingle1.Seconds(), waits.at(0.5).Seconds(), seconds)
		b.report.note("single1", "the same, p99", took(waits.at(0.99)))
		return nil
	})
	return errors.Join(err, b.remove("single1"))
}

func (b *bench) single(ctx context.Context, n *node, name string, callers int, bytes int64) (written, *delays, error) {
	c, err := n.connect(connections)
	if err != nil {
		return written{}, nil, err
	}
	defer func() { _ = c.Close() }()
	if _, err := create(ctx, c, streamName, loadShards); err != nil {
		return written{}, nil, err
	}
	put, waits, err := b.load(ctx, n, name, &load{
		client: c, stream: streamName, workers: callers, records: 1,
		duration: b.seconds(fullSeconds), bytes: bytes,
	})
	if err != nil {
		return written{}, nil, err
	}
	b.sayf("  reading back")
	_, err = b.readBack(ctx, n, name+"-read", c, put)
	return put, waits, err
}
