package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-io/runnel/client"
)

const (
	streamName  = "load"
	loadShards  = 8
	fullSeconds = 60
	fullBytes   = 5_000_000_000

	batchWorkers = 16
	connections  = 2

	goalBatch     = 120_000
	goalAmplified = 2.8
	goalRead      = 300e6
	goalMemory    = 400 << 20
)

// runBatch puts batches as fast as they go, and leaves the data for read.
func runBatch(ctx context.Context, b *bench) error {
	return b.with(ctx, "batch", func(n *node) error {
		c, err := n.connect(connections)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if _, err := create(ctx, c, streamName, loadShards); err != nil {
			return err
		}
		put, waits, err := b.load(ctx, n, "batch", &load{
			client: c, stream: streamName, workers: batchWorkers, records: batchRecords,
			duration: b.seconds(fullSeconds), bytes: b.bytes(fullBytes),
		})
		if err != nil {
			return err
		}
		b.batchRate, b.batchData = put.rate(), put
		b.report.atLeast("batch", fmt.Sprintf("records/s, 1 KiB in batches of 500, 8 shards, %s", size(put)), goalBatch, put.rate(), perSecond)
		b.report.note("batch", "from put to acknowledgement of a batch, p50 / p99", took(waits.at(0.5))+" / "+took(waits.at(0.99)))
		if err := b.amplification(ctx, n, "batch", put); err != nil {
			return err
		}
		b.memory(n, "batch")
		return nil
	})
}

// amplification counts what the node wrote once it has nothing more to write.
// What is only in the write-ahead log and in memory by then counts as written
// to a table too.
func (b *bench) amplification(ctx context.Context, n *node, scenario string, put written) error {
	b.sayf("  waiting for compactions")
	wrote, err := n.drain(ctx)
	if err != nil {
		return err
	}
	var parts [4]float64
	for i, name := range []string{"memtable", "wal", "flushed", "compacted"} {
		suffix := "_bytes_total"
		if i == 0 {
			suffix = "_bytes"
		}
		v, err := n.metric(ctx, "runnel_store_"+name+suffix)
		if err != nil {
			return err
		}
		parts[i] = v / float64(put.bytes)
	}
	b.report.atMost(scenario, "bytes written to disk per byte put, compactions drained",
		goalAmplified, float64(wrote)/float64(put.bytes)+parts[0], ratio)
	b.report.note(scenario, "of these, as the store counts: log / flushes / compactions",
		ratio(parts[1])+" / "+ratio(parts[2])+" / "+ratio(parts[3]))
	return nil
}

func (b *bench) memory(n *node, scenario string) {
	b.report.below(scenario, "resident memory of the node at its highest", goalMemory, float64(n.memory.highest()), mebibytes)
}

func size(w written) string { return fmt.Sprintf("%.1f GB in %s", float64(w.bytes)/1e9, took(w.took)) }

// load runs a load and tells how it goes.
func (b *bench) load(ctx context.Context, n *node, name string, l *load) (written, *delays, error) {
	stop := b.profile(ctx, n, name)
	defer stop()
	var before written
	l.report = func(w written, _ time.Time) {
		rate := float64(w.records-before.records) / (w.took - before.took).Seconds()
		before = w
		b.sayf("  %s: %s records, %s now, %s on average, node has %s", name, grouped(float64(w.records)), perSecond(rate),
			perSecond(w.rate()), mebibytes(float64(n.memory.now())))
	}
	put, waits, err := l.run(ctx)
	if err == nil {
		b.sayf("  %s: %s, %s", name, size(put), perSecond(put.rate()))
	}
	return put, waits, err
}

// readBack reads a whole stream with a reader on every shard, and checks it
// against what was put.
func (b *bench) readBack(ctx context.Context, n *node, name string, c *client.Client, put written) (written, error) {
	stop := b.profile(ctx, n, name)
	defer stop()
	read, err := readAll(ctx, c, streamName)
	if err == nil {
		err = same(put, read)
	}
	return read, err
}

// runRead reads back what batch left, after a restart and with the kernel's
// page cache emptied.
func runRead(ctx context.Context, b *bench) error {
	if b.batchData.records == 0 {
		return errors.New("it reads what batch has put: run batch,read")
	}
	if err := evict(b.dataDir("batch")); err != nil {
		return err
	}
	err := b.with(ctx, "batch", func(n *node) error {
		c, err := n.connect(connections)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		b.sayf("  ready after %s", took(n.ready))
		read, err := b.readBack(ctx, n, "read", c, b.batchData)
		if err != nil {
			return err
		}
		rate := float64(read.bytes) / read.took.Seconds()
		b.report.atLeast("read", fmt.Sprintf("reading back from the start, restarted, cold cache, %s", size(read)), goalRead, rate, megabytesPerSecond)
		b.memory(n, "read")
		return nil
	})
	return errors.Join(err, b.remove("batch"))
}
