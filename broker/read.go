package broker

import (
	"context"
	"math"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// Read returns up to limit records (and up to 10 MiB, but at least one record
// if there is one) from the place that token names, and the token of the next
// place. It charges the shard's read quota. Errors: CodeInvalidArgument,
// CodeExpiredIterator, CodeThroughputExceeded, CodeNotFound, CodeCorrupt.
func (b *Broker) Read(ctx context.Context, token string, limit int) (ReadResult, error) {
	return b.ReadUpTo(ctx, token, limit, stream.MaxReadBytes)
}

// ReadUpTo is Read for a caller who has memory for so many bytes only.
func (b *Broker) ReadUpTo(ctx context.Context, token string, limit, maxBytes int) (ReadResult, error) {
	if limit < 1 || limit > stream.MaxReadRecords {
		return ReadResult{}, stream.Errorf(stream.CodeValidation, "a read returns 1 to %d records, not %d", stream.MaxReadRecords, limit)
	}
	if b.ctx.Err() != nil || ctx.Err() != nil {
		return ReadResult{}, errStopping
	}
	r, from, err := b.openIterator(token)
	if err != nil {
		return ReadResult{}, err
	}
	if err := b.chargeRead(r); err != nil {
		return ReadResult{}, err
	}
	part, err := b.readPart(r, from, limit, min(maxBytes, stream.MaxReadBytes), (*part).fill)
	if err != nil {
		return ReadResult{}, err
	}
	b.payRead(r, part.bytes)
	b.served(r, part)
	res := ReadResult{
		StreamName: r.stream.Name, Shard: shardInfo(part.shard), Blocks: part.blocks,
		MillisBehind: part.behindMs, Children: part.children,
	}
	if !part.ended {
		res.NextToken = b.seal(r, part.next)
	}
	return res, nil
}

// part is what one read of a shard gave.
type part struct {
	shard    *metadata.Shard
	blocks   []ReadBlock
	next     stream.Position
	arrived  int64 // of the last record, 0 without one
	records  int
	bytes    int
	behindMs int64
	ended    bool // closed and read to the end
	children []ChildShard
}

// fillFunc takes of blocks what a reader gets.
type fillFunc func(p *part, blocks []stream.Block, from stream.Position, maxRecords, maxBytes int)

// readPart reads from a position.
func (b *Broker) readPart(r reader, from stream.Position, maxRecords, maxBytes int, fill fillFunc) (part, error) {
	// The state is looked at before the blocks: if the shard is closed then, no
	// record comes after those that the read sees.
	st, err := b.state(r)
	if err != nil {
		return part{}, err
	}
	horizon := st.HorizonMs(r.group.coalescer.ExpiryMs())
	blocks, next, err := r.group.machine.Read(r.shard.ID, from, horizon, maxRecords, maxBytes)
	if err != nil {
		return part{}, b.readError(r, err)
	}
	p := part{shard: r.shard, next: next}
	fill(&p, blocks, from, maxRecords, maxBytes)
	b.finishPart(r, &p, st, r.group.coalescer.NowMs())
	return p, nil
}

// fill takes the records at and after from, up to the bounds.
func (p *part) fill(blocks []stream.Block, from stream.Position, maxRecords, maxBytes int) {
	for _, block := range blocks {
		h := block.Header()
		rb := ReadBlock{Block: block, First: max(from, h.First), Last: block.Last()}
		whole := rb.First == h.First && p.records+int(h.Count) <= maxRecords && p.bytes+int(h.Bytes) <= maxBytes
		full := false
		if whole {
			p.records += int(h.Count)
			p.bytes += int(h.Bytes)
		} else {
			full = p.fillPart(&rb, maxRecords, maxBytes)
		}
		if rb.Last >= rb.First {
			p.blocks = append(p.blocks, rb)
			p.next = rb.Last + 1
			p.arrived = h.ArrivedMs
		}
		if full {
			return
		}
	}
}

// fillWhole takes whole blocks up to the bounds, and at least one, so that no
// block crosses the wire twice. Only the first may begin before from.
func (p *part) fillWhole(blocks []stream.Block, from stream.Position, maxRecords, maxBytes int) {
	for i, block := range blocks {
		h := block.Header()
		if i > 0 && (p.records+int(h.Count) > maxRecords || p.bytes+int(h.Bytes) > maxBytes) {
			return
		}
		rb := ReadBlock{Block: block, First: max(from, h.First), Last: block.Last()}
		if rb.First == h.First {
			p.records += int(h.Count)
			p.bytes += int(h.Bytes)
		} else {
			p.fillPart(&rb, math.MaxInt, math.MaxInt)
		}
		p.blocks = append(p.blocks, rb)
		p.next = rb.Last + 1
		p.arrived = h.ArrivedMs
	}
}

// fillPart finds the last record of rb that is within the bounds, and tells
// whether they are reached.
func (p *part) fillPart(rb *ReadBlock, maxRecords, maxBytes int) (full bool) {
	last := rb.First - 1
	for pos, rec := range rb.Block.From(rb.First) {
		if p.records >= maxRecords || p.records > 0 && p.bytes+rec.Size() > maxBytes {
			full = true
			break
		}
		p.records++
		p.bytes += rec.Size()
		last = pos
	}
	rb.Last = last
	return full
}

// finishPart tells how far behind the reader is, and whether it has come to
// the end of the shard: only when its children can be named too.
func (b *Broker) finishPart(r reader, p *part, st shardlog.ShardState, nowMs int64) {
	if p.next <= st.LastPosition {
		p.behindMs = max(1, nowMs-p.arrived)
		if p.arrived == 0 {
			p.behindMs = max(1, nowMs-st.LastArrivalMs)
		}
		return
	}
	if st.Phase != shardlog.Closed {
		return
	}
	s, ok := b.meta.StreamByID(r.stream.ID)
	if !ok {
		return
	}
	sh, ok := s.Shard(r.shard.ID.Index)
	if !ok || sh.Phase != metadata.Closed {
		return // the map has not flipped yet
	}
	p.shard = sh
	p.children = childShards(s, sh.ID.Index)
	p.ended = len(p.children) > 0
}

// served counts what a reader was given and how far behind it is.
func (b *Broker) served(r reader, p part) {
	r.group.machine.Served(r.shard.ID, p.records, p.bytes)
	b.shards.of(r.shard.ID).ageMs.Store(p.behindMs)
}
