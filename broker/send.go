package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/runnel-io/runnel/broker/coalesce"
	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// send gives every group its batches, all at once, and takes the answers.
func (p *put) send(ctx context.Context, s *metadata.Stream) {
	p.collect(s)
	switch len(p.sends) {
	case 0:
		return
	case 1:
		p.sends[0].store(ctx)
	default:
		var others sync.WaitGroup
		for i := 1; i < len(p.sends); i++ {
			others.Go(func() { p.sends[i].store(ctx) })
		}
		p.sends[0].store(ctx)
		others.Wait()
	}
	for i := range p.sends {
		p.take(s, &p.sends[i])
	}
}

// collect makes one send for each group out of the batches.
func (p *put) collect(s *metadata.Stream) {
	n := 0
	for i := range p.batches {
		n += len(p.batches[i].which)
	}
	if cap(p.backing) < n {
		p.backing = make([]stream.Record, 0, n)
	}
	clear(p.backing)
	p.backing = p.backing[:0]
	for i := range p.batches {
		batch := &p.batches[i]
		if len(batch.which) == 0 {
			continue
		}
		send := p.sendFor(batch.shard.Group)
		if send == nil {
			p.fail(batch.which, stream.Errorf(stream.CodeUnavailable, "this node does not hold the shard"))
			continue
		}
		from := len(p.backing)
		for _, r := range batch.which {
			p.backing = append(p.backing, stream.Record{PartitionKey: p.records[r].PartitionKey, Data: p.records[r].Data})
		}
		send.batches = append(send.batches, coalesce.Batch{Shard: batch.shard.ID, Records: p.backing[from:len(p.backing):len(p.backing)]})
		send.from = append(send.from, int32(i))
	}
}

func (p *put) sendFor(id uint32) *groupSend {
	for i := range p.sends {
		if p.sends[i].group.id == id {
			return &p.sends[i]
		}
	}
	g, ok := p.b.groups[id]
	if !ok {
		return nil
	}
	if len(p.sends) < cap(p.sends) {
		p.sends = p.sends[:len(p.sends)+1] // keeps the room of its batches
	} else {
		p.sends = append(p.sends, groupSend{})
	}
	send := &p.sends[len(p.sends)-1]
	send.group, send.batches, send.from = g, send.batches[:0], send.from[:0]
	return send
}

func (g *groupSend) store(ctx context.Context) {
	g.results, g.err = g.group.coalescer.Append(ctx, g.batches)
}

// take writes the answers of a group to the results of the records.
func (p *put) take(s *metadata.Stream, g *groupSend) {
	for i, at := range g.from {
		batch := &p.batches[at]
		if g.err != nil {
			p.fail(batch.which, g.err)
			continue
		}
		done := 0
		for _, span := range g.results[i].Spans {
			which := batch.which[done : done+span.Count]
			done += span.Count
			p.takeSpan(s, batch.shard, which, span)
		}
	}
	g.results, g.err = nil, nil
}

func (p *put) takeSpan(s *metadata.Stream, sh *metadata.Shard, which []int32, span coalesce.Span) {
	switch {
	case span.Err == nil:
		seq := stream.Sequence{CreatedSec: sh.CreatedSec, ArrivedSec: span.ArrivedMs / 1000, Shard: sh.ID.Index}
		for n, i := range which {
			seq.Position = span.First + stream.Position(n)
			p.results[i] = PutResult{Shard: sh.ID.Index, Sequence: seq}
		}
	case notInMap(span.Err):
		p.moved = append(p.moved, which...)
	case stream.CodeOf(span.Err) == stream.CodeNotFound:
		p.fail(which, p.b.account.NoStream(s.Name)) // deleted meanwhile
	default:
		p.fail(which, span.Err)
	}
}

// notInMap tells whether a shard refused records because the map has flipped,
// or is about to: the parent is closed, or the child not open yet.
func notInMap(err error) bool {
	var closed *shardlog.ClosedError
	return errors.As(err, &closed) || errors.Is(err, shardlog.ErrNotOpen)
}

// rerouting is a put that waits for the map to flip. A nil one has not begun.
type rerouting struct {
	b      *Broker
	ctx    context.Context
	cancel context.CancelFunc
	parked int64
}

func (b *Broker) beginRerouting(ctx context.Context) *rerouting {
	w := &rerouting{b: b}
	w.ctx, w.cancel = context.WithTimeout(ctx, b.cfg.reshardPatience)
	return w
}

func (w *rerouting) end() {
	if w == nil {
		return
	}
	w.cancel()
	w.b.parked.give(w.parked)
	w.parked = 0
}

// next returns a state of the stream in which the records that moved may find
// an open shard: any that is newer than the one they were routed by, or the
// same if the shard has been opened since.
func (w *rerouting) next(s *metadata.Stream, p *put) (*metadata.Stream, error) {
	if err := w.park(p); err != nil {
		return nil, err
	}
	for {
		now, ok := w.b.meta.StreamByID(s.ID)
		if !ok {
			return nil, w.b.account.NoStream(s.Name)
		}
		if w.ctx.Err() == nil && w.reachable(now, p) {
			return now, nil
		}
		select {
		case <-now.Superseded():
		case <-w.ctx.Done():
			return nil, stream.Errorf(stream.CodeUnavailable, "the shard is being resharded")
		case <-w.b.ctx.Done():
			return nil, errStopping
		}
	}
}

// park counts the bytes that wait: memory for them is bounded apart from that
// of puts which do not wait.
func (w *rerouting) park(p *put) error {
	if w.parked > 0 {
		return nil
	}
	var bytes int64
	for _, i := range p.moved {
		bytes += int64(len(p.records[i].Data)+len(p.records[i].PartitionKey)) + recordCost
	}
	if !w.b.parked.take(bytes) {
		return stream.Errorf(stream.CodeUnavailable, "the shard is being resharded, and too many records wait for it")
	}
	w.parked = bytes
	return nil
}

// reachable tells whether every moved record's shard takes records, as far as
// this node knows.
func (w *rerouting) reachable(s *metadata.Stream, p *put) bool {
	last := -1
	for _, i := range p.moved {
		place := s.Route(p.keys[i])
		if place < 0 {
			return false
		}
		if place == last {
			continue
		}
		last = place
		sh := s.OpenShards()[place]
		g, ok := w.b.groups[sh.Group]
		if !ok {
			return true // its group will say
		}
		if st, known := g.machine.Shard(sh.ID); !known || st.Phase != shardlog.Open {
			return false
		}
	}
	return true
}
