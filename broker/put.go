package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/runnel-io/runnel/broker/coalesce"
	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/stream"
)

// recordCost is what a record in flight costs beside its own bytes.
const recordCost = 128

// Put stores records and returns when each is durable or refused, one result
// per record in their order. Records of one shard keep their order; once one of
// them is refused, the later ones of that shard are refused too. The error is
// that of the whole call: then nothing was stored.
//
// Neither keys nor data are modified or kept, unless an error is returned by
// the call or for a record: then they may be read for a while yet.
func (b *Broker) Put(ctx context.Context, name string, records []PutRecord) ([]PutResult, error) {
	if b.ctx.Err() != nil {
		return nil, errStopping
	}
	s, err := b.writable(name)
	if err != nil {
		return nil, err
	}
	bytes, err := checkPut(records)
	if err != nil {
		return nil, err
	}
	cost := bytes + recordCost*int64(len(records))
	if !b.inFlight.take(cost) {
		return nil, stream.Errorf(stream.CodeOverloaded, "too many bytes are waiting to be stored")
	}
	defer b.inFlight.give(cost)
	p := b.newPut(records)
	p.run(ctx, s)
	results := p.results
	b.releasePut(p)
	return results, nil
}

var errStopping = stream.Errorf(stream.CodeUnavailable, "the node is stopping")

// writable finds a stream that takes records.
func (b *Broker) writable(name string) (*metadata.Stream, error) {
	s, ok := b.meta.Stream(name)
	if !ok || s.Status == metadata.Creating {
		return nil, b.account.NoStream(name)
	}
	return s, nil
}

func checkPut(records []PutRecord) (bytes int64, err error) {
	if len(records) == 0 || len(records) > stream.MaxPutRecords {
		return 0, stream.Errorf(stream.CodeValidation, "a put takes 1 to %d records, not %d", stream.MaxPutRecords, len(records))
	}
	for i := range records {
		size := len(records[i].Data) + len(records[i].PartitionKey)
		if size > stream.DefaultMaxRecordBytes {
			return 0, tooLarge(records, i)
		}
		if len(records[i].PartitionKey) > 4*stream.MaxPartitionKeyRunes {
			return 0, stream.Errorf(stream.CodeValidation, "a partition key has at most %d characters", stream.MaxPartitionKeyRunes)
		}
		bytes += int64(size)
	}
	if bytes > stream.MaxPutBytes {
		return 0, stream.Errorf(stream.CodeInvalidArgument, "Records size exceeds %d MB limit", stream.MaxPutBytes>>20)
	}
	return bytes, nil
}

// put is one call under way. It is used again by later calls.
type put struct {
	b       *Broker
	records []PutRecord
	results []PutResult

	keys    []stream.HashKey
	todo    []int32 // places of records still to be stored, in order
	moved   []int32 // of those that met a closed shard
	slots   []int32 // by place in the map: its batch + 1, 0 for none
	batches []shardBatch
	backing []stream.Record
	sends   []groupSend
}

// shardBatch is the records of one shard.
type shardBatch struct {
	shard *metadata.Shard
	place int32 // in the map
	which []int32
	bytes int
}

// groupSend is what goes to one group.
type groupSend struct {
	group   *dataGroup
	batches []coalesce.Batch
	from    []int32 // places of the batches in put.batches
	results []coalesce.Result
	err     error
}

func (b *Broker) newPut(records []PutRecord) *put {
	p, ok := b.puts.Get().(*put)
	if !ok {
		p = &put{b: b}
	}
	p.records = records
	p.results = make([]PutResult, len(records))
	p.keys = p.keys[:0]
	p.todo = p.todo[:0]
	for i := range records {
		if k := records[i].ExplicitHashKey; k != nil {
			p.keys = append(p.keys, *k)
		} else {
			p.keys = append(p.keys, stream.HashOf(records[i].PartitionKey))
		}
		p.todo = append(p.todo, int32(i))
	}
	return p
}

func (b *Broker) releasePut(p *put) {
	p.records, p.results = nil, nil
	clear(p.backing)
	p.dropBatches()
	b.puts.Put(p)
}

func (p *put) dropBatches() {
	for i := range p.batches {
		p.batches[i].shard = nil
	}
	p.batches = p.batches[:0]
	for i := range p.sends {
		clear(p.sends[i].batches)
		p.sends[i].group = nil
	}
	p.sends = p.sends[:0]
}

// run stores what is to be stored, again for records that met a closed shard.
func (p *put) run(ctx context.Context, s *metadata.Stream) {
	var w *rerouting
	for {
		p.moved = p.moved[:0]
		p.route(s)
		p.charge(s, w != nil)
		p.send(ctx, s)
		if len(p.moved) == 0 {
			w.end()
			return
		}
		if w == nil {
			w = p.b.beginRerouting(ctx)
		}
		next, err := w.next(s, p)
		if err != nil {
			p.fail(p.moved, err)
			w.end()
			return
		}
		s = next
		slices.Sort(p.moved)
		p.todo = append(p.todo[:0], p.moved...)
	}
}

func (p *put) fail(which []int32, err error) {
	for _, i := range which {
		p.results[i].Err = err
	}
}

// route sorts the records into batches by the open shard that holds their key.
func (p *put) route(s *metadata.Stream) {
	p.dropBatches()
	open := s.OpenShards()
	if len(p.slots) < len(open) {
		p.slots = make([]int32, len(open))
	}
	for _, i := range p.todo {
		place := s.Route(p.keys[i])
		if place < 0 {
			p.results[i].Err = p.b.account.NoStream(s.Name) // being deleted before it ever opened
			continue
		}
		slot := p.slots[place]
		if slot == 0 {
			slot = p.newBatch(open[place], int32(place))
		}
		batch := &p.batches[slot-1]
		batch.which = append(batch.which, i)
		batch.bytes += len(p.records[i].Data) + len(p.records[i].PartitionKey)
	}
	for i := range p.batches {
		p.slots[p.batches[i].place] = 0
	}
}

func (p *put) newBatch(sh *metadata.Shard, place int32) int32 {
	if len(p.batches) < cap(p.batches) {
		p.batches = p.batches[:len(p.batches)+1] // keeps the room of which
	} else {
		p.batches = append(p.batches, shardBatch{})
	}
	batch := &p.batches[len(p.batches)-1]
	batch.shard, batch.place, batch.which, batch.bytes = sh, place, batch.which[:0], 0
	p.slots[place] = int32(len(p.batches))
	return p.slots[place]
}

// charge takes each shard's quota for its records in order. What was charged
// once is not charged again when it is routed anew.
func (p *put) charge(s *metadata.Stream, paid bool) {
	if !p.b.cfg.Quotas || paid {
		return
	}
	now := p.b.cfg.Now()
	for i := range p.batches {
		batch := &p.batches[i]
		rt := p.b.shards.of(batch.shard.ID)
		n := rt.chargeWrite(now, p.b.fresh(batch.shard), p.records, batch.which)
		if n < len(batch.which) {
			p.fail(batch.which[n:], p.b.writeThrottled(s.Name, batch.shard.ID.Index))
			batch.which = batch.which[:n]
		}
	}
}

// tooLarge is how the API refuses a record.
func tooLarge(records []PutRecord, i int) *stream.Error {
	path := "data"
	if len(records) > 1 {
		path = fmt.Sprintf("records.%d.member.data", i+1)
	}
	n := len(records[i].Data)
	return stream.Errorf(stream.CodeValidation, "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]' at '%s' "+
		"failed to satisfy constraint: Member must have length less than or equal to %d", n, n, path, stream.DefaultMaxRecordBytes)
}
