package client

import (
	"context"
	"unicode/utf8"

	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// chunkBytes is the most that one message of a PutMany carries, unless a single
// record is larger.
const chunkBytes = 1<<20 - 32<<10

// Put stores one record and returns when it is durable. Concurrent Puts share
// messages. Records that one goroutine puts one after the other keep their order.
func (c *Client) Put(ctx context.Context, name string, r Record) (stream.Sequence, error) {
	if err := checkCall(ctx, name); err != nil {
		return stream.Sequence{}, err
	}
	if err := r.Check(); err != nil {
		return stream.Sequence{}, err
	}
	e := entry(&r)
	seq, err := c.next().putOne(ctx, name, &e)
	if err == nil {
		c.budget.success()
		return seq, nil
	}
	// The way of a refused put needs timers and closures; it is not the usual one.
	first := true
	err = c.do(ctx, func(ctx context.Context) error {
		if first {
			first = false
			return err
		}
		seq, err = c.next().putOne(ctx, name, &e)
		return err
	})
	return seq, err
}

// PutMany stores any number of records and returns when all that could be stored
// are durable. There is a result for every record, in order. The error is nil if
// all are stored, else the first record's error. Without results nothing was sent.
//
// Records go out in messages of up to 500, each sent after the one before is
// answered; refused records are retried before later ones are sent, so records of
// one key keep their order.
func (c *Client) PutMany(ctx context.Context, name string, records []Record) ([]PutResult, error) {
	if err := checkCall(ctx, name); err != nil {
		return nil, err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	results := make([]PutResult, len(records))
	for i := range records {
		results[i].Err = records[i].Check()
	}
	for at := 0; at < len(records); {
		n := chunk(records[at:])
		c.putChunk(ctx, name, records[at:at+n], results[at:at+n])
		at += n
		if ctx.Err() != nil {
			giveUp(results[at:], ctx.Err())
			break
		}
	}
	return results, firstError(results)
}

// PutBatch sends up to 500 records and 10 MiB as one message, once, for callers that
// retry by themselves. There is a result for every record, in order, unless the error is
// that the records may not be sent at all. Once a record of a shard is refused,
// later ones of that shard are refused too.
func (c *Client) PutBatch(ctx context.Context, name string, records []Record) ([]PutResult, error) {
	if err := checkCall(ctx, name); err != nil {
		return nil, err
	}
	for i := range records {
		if err := records[i].Check(); err != nil {
			return nil, err
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	if err := checkBatch(records); err != nil {
		return nil, err
	}
	all := make([]int, len(records))
	for i := range all {
		all[i] = i
	}
	results := make([]PutResult, len(records))
	err := c.once(ctx, func(ctx context.Context) error {
		got, err := c.next().putMany(ctx, name, encode(records, all), len(records))
		for i := range results {
			results[i] = result(got, i, err)
		}
		return err
	})
	return results, err
}

func checkCall(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return stream.Wrap(stream.CodeUnavailable, err, "the put was not sent")
	}
	return stream.CheckName(name)
}

// Check tells what no server takes: puts refuse such a record unsent.
func (r Record) Check() error {
	if size := r.Size(); size > stream.MaxRecordBytes {
		return stream.Errorf(stream.CodeValidation, "record of %d bytes, at most %d are allowed", size, stream.MaxRecordBytes)
	}
	// A message with such a key would break the connection for all who share it.
	if !utf8.ValidString(r.PartitionKey) {
		return stream.Errorf(stream.CodeValidation, "partition key %q is not UTF-8", r.PartitionKey)
	}
	if n := utf8.RuneCountInString(r.PartitionKey); n < 1 || n > stream.MaxPartitionKeyRunes {
		return stream.Errorf(stream.CodeValidation, "partition key has %d characters, allowed are 1 to %d", n, stream.MaxPartitionKeyRunes)
	}
	return nil
}

func checkBatch(records []Record) error {
	bytes := 0
	for i := range records {
		bytes += records[i].Size()
	}
	if len(records) > stream.MaxPutRecords || bytes > stream.MaxPutBytes {
		return stream.Errorf(stream.CodeValidation, "a batch of %d records and %d bytes, at most %d and %d are allowed",
			len(records), bytes, stream.MaxPutRecords, stream.MaxPutBytes)
	}
	return nil
}

func entry(r *Record) wire.PutEntry {
	e := wire.PutEntry{PartitionKey: r.PartitionKey, Data: r.Data}
	if r.ExplicitHashKey != nil {
		e.HasHash, e.Hash = true, *r.ExplicitHashKey
	}
	return e
}

// chunk is how many of the records go into the next message, at least one.
func chunk(records []Record) int {
	bytes := 0
	for i := range records {
		bytes += records[i].Size()
		if i > 0 && bytes > chunkBytes || i == stream.MaxPutRecords {
			return i
		}
	}
	return len(records)
}

// putChunk puts records until each is stored or has an error for good.
func (c *Client) putChunk(ctx context.Context, name string, records []Record, results []PutResult) {
	left := make([]int, 0, len(records)) // the records that are not decided, by index
	for i := range records {
		if results[i].Err == nil {
			left = append(left, i)
		}
	}
	if len(left) == 0 {
		return
	}
	_ = c.do(ctx, func(ctx context.Context) error {
		got, err := c.next().putMany(ctx, name, encode(records, left), len(left))
		still := left[:0]
		var retry error
		for k, i := range left {
			results[i] = result(got, k, err)
			if e := results[i].Err; e != nil && c.retryable(stream.CodeOf(e)) {
				still = append(still, i)
				retry = e
			}
		}
		left = still
		return retry
	})
}

func encode(records []Record, which []int) *[]byte {
	size := 0
	for _, i := range which {
		e := entry(&records[i])
		size += wire.EntrySize(&e)
	}
	buf := buffers.Get(size)
	for _, i := range which {
		e := entry(&records[i])
		*buf = wire.AppendEntry(*buf, &e)
	}
	return buf
}

func result(got []wire.PutResult, k int, err error) PutResult {
	switch {
	case err != nil:
		return PutResult{Err: err}
	case got[k].Err != nil:
		return PutResult{Err: got[k].Err}
	}
	return PutResult{Sequence: got[k].Sequence}
}

func giveUp(results []PutResult, cause error) {
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		results[i].Err = stream.Wrap(stream.CodeUnavailable, cause, "the put was not sent")
	}
}

func firstError(results []PutResult) error {
	for i := range results {
		if results[i].Err != nil {
			return results[i].Err
		}
	}
	return nil
}
