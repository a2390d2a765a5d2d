package coalesce

import (
	"context"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// finishAll answers the callers of each entry in the order of the log.
func (c *Coalescer) finishAll() {
	defer c.done.Done()
	for f := range c.flying {
		result, err := f.proposal.Wait(context.Background())
		if err != nil {
			err = outcome(err)
		}
		c.finish(f, result, err)
		if c.cfg.Observe != nil && f.control == nil {
			c.cfg.Observe(Entry{Records: f.records, Blocks: len(f.blocks), Bytes: f.bytes, Took: c.clock.src.Elapsed() - f.began, Err: err})
		}
	}
}

func (c *Coalescer) finish(f *flight, result any, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	if err != nil {
		c.lost = true
	}
	if f.control != nil {
		c.controls--
		c.resync = true
		c.finishControl(f.control, result, err)
	} else {
		c.finishAppend(f, result, err)
	}
	c.nudge()
}

func (c *Coalescer) finishControl(k *call, result any, err error) {
	k.pieces--
	k.err = err
	switch r := result.(type) {
	case shardlog.Answer:
		k.answer = r
	case error:
		k.err = r
	default:
		if err == nil {
			k.err = stream.Errorf(stream.CodeInternal, "unexpected answer %T", result)
		}
	}
	c.answer(k)
}

func (c *Coalescer) finishAppend(f *flight, result any, err error) {
	if whole, ok := result.(error); ok && err == nil {
		err = whole
	}
	refused, _ := result.([]error)
	c.resync = c.resync || err != nil || refused != nil
	for i := range f.blocks {
		b := &f.blocks[i]
		why := err
		if refused != nil && why == nil {
			why = refused[i]
		}
		at := b.first
		for _, p := range b.pieces {
			span := Span{Count: p.count, Err: why}
			if why == nil {
				span.First, span.ArrivedMs = at, f.stamp
			}
			at += stream.Position(p.count)
			c.finishPiece(p, span)
		}
	}
}

func (c *Coalescer) finishPiece(p piece, span Span) {
	k := p.call
	k.results[p.batch].Spans[p.span] = span
	if k.pieces--; k.pieces == 0 && !k.queued {
		c.answer(k)
	}
}
