package client

import (
	"context"
	"iter"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// Batch is what one read or push brought: consecutive records of one shard.
type Batch struct {
	Shard string
	// MillisBehind is how far behind the newest record the batch ends; 0: caught up.
	MillisBehind int64
	// Ended tells that the shard is closed and this was the rest of it. Children go on.
	Ended    bool
	Children []Child

	shard  shardOf
	blocks []block
	next   stream.Position // where to read on; 0: unknown
}

// shardOf is what makes sequence numbers of positions.
type shardOf struct {
	createdSec int64
	index      uint32
}

type block struct {
	stream.Block
	first, last stream.Position
}

// Records yields the records in order.
func (b *Batch) Records() iter.Seq[StoredRecord] {
	return func(yield func(StoredRecord) bool) {
		for i := range b.blocks {
			if !b.blocks[i].yield(b.shard, yield) {
				return
			}
		}
	}
}

func (b *block) yield(of shardOf, yield func(StoredRecord) bool) bool {
	arrived := b.Header().ArrivedMs
	for p, r := range b.From(b.first) {
		if p > b.last {
			break
		}
		ok := yield(StoredRecord{
			Sequence:     stream.Sequence{CreatedSec: of.createdSec, Position: p, ArrivedSec: arrived / 1000, Shard: of.index},
			PartitionKey: r.PartitionKey, Data: r.Data, ArrivedMs: arrived,
		})
		if !ok {
			return false
		}
	}
	return true
}

// Len is the number of records.
func (b *Batch) Len() int {
	n := 0
	for i := range b.blocks {
		n += int(b.blocks[i].last - b.blocks[i].first + 1)
	}
	return n
}

// parseBlocks checks every block's checksum: what the server stored is what the
// reader gets.
func parseBlocks(ms []*runnelv1.Block) ([]block, error) {
	blocks := make([]block, 0, len(ms))
	for _, m := range ms {
		parsed, err := stream.ParseBlock(m.GetEncoded())
		if err != nil {
			return nil, stream.Wrap(stream.CodeCorrupt, err, "a block arrived damaged")
		}
		b := block{
			Block: parsed,
			first: max(stream.Position(m.GetFirst()), parsed.Header().First),
			last:  min(stream.Position(m.GetLast()), parsed.Last()),
		}
		if b.first <= b.last {
			blocks = append(blocks, b)
		}
	}
	return blocks, nil
}

// Iterator gives a token for a place in a shard. It can be read within five minutes.
func (c *Client) Iterator(ctx context.Context, name, shard string, from From) (string, error) {
	var token string
	err := c.look(ctx, func(ctx context.Context) error {
		resp, err := c.records().GetIterator(ctx, &runnelv1.GetIteratorRequest{Stream: name, Shard: shard, From: from.message()})
		token = resp.GetIterator()
		return err
	})
	return token, err
}

// Read reads up to limit records (0: as many as fit into an answer) and gives the
// iterator to go on with, "" if the shard is read to its end. It costs read quota
// of the shard, as GetRecords does in Kinesis; to follow a shard, Subscribe.
func (c *Client) Read(ctx context.Context, iterator string, limit int) (batch *Batch, next string, err error) {
	var resp *runnelv1.ReadRecordsResponse
	err = c.look(ctx, func(ctx context.Context) (err error) {
		resp, err = c.records().ReadRecords(ctx, &runnelv1.ReadRecordsRequest{Iterator: iterator, Limit: count(limit)})
		return err
	})
	if err != nil {
		return nil, "", err
	}
	blocks, err := parseBlocks(resp.GetBlocks())
	if err != nil {
		return nil, "", err
	}
	return &Batch{
		Shard: stream.ShardName(resp.GetShard()), MillisBehind: resp.GetMillisBehind(),
		Ended: resp.GetNextIterator() == "", Children: children(resp.GetChildren()),
		shard: shardOf{resp.GetCreatedSec(), resp.GetShard()}, blocks: blocks,
	}, resp.GetNextIterator(), nil
}

// ReadShard yields the records of a shard from the place on, until it has caught
// up with the newest or the shard ends. While others, or it, have used up the shard's
// read quota, it waits. An error ends it.
func (c *Client) ReadShard(ctx context.Context, name, shard string, from From) iter.Seq2[StoredRecord, error] {
	return func(yield func(StoredRecord, error) bool) {
		token, err := c.Iterator(ctx, name, shard, from)
		for err == nil && token != "" {
			var b *Batch
			if b, token, err = c.readInTurn(ctx, token); err != nil {
				break
			}
			for r := range b.Records() {
				if !yield(r, nil) {
					return
				}
			}
			if b.MillisBehind == 0 {
				return
			}
		}
		if err != nil {
			yield(StoredRecord{}, err)
		}
	}
}

// readInTurn reads when the shard's quota lets it.
func (c *Client) readInTurn(ctx context.Context, iterator string) (*Batch, string, error) {
	for n := 1; ; n++ {
		b, next, err := c.Read(ctx, iterator, 0)
		if err == nil || stream.CodeOf(err) != stream.CodeThroughputExceeded || !sleep(ctx, c.cfg.retry.pause(n)) {
			return b, next, err
		}
	}
}

func (c *Client) records() runnelv1.RecordServiceClient {
	return runnelv1.NewRecordServiceClient(c.next().conn)
}
