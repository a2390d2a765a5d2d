package coalesce

import (
	"context"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// Group is what the coalescer needs of a Raft group; Raft adapts the real one.
// The coalescer alone listens to its LeadershipChanges.
type Group interface {
	Propose(raftlog.Encoded) Proposal
	Leadership() (leader bool, term uint64)
	LeadershipChanges() <-chan struct{}
	Ready(context.Context) error
}

// Proposal is an entry on its way.
type Proposal interface {
	Wait(context.Context) (any, error)
}

// Raft makes a Group of a real one.
func Raft(g *raftlog.Group) Group { return raftGroup{g} }

type raftGroup struct{ *raftlog.Group }

func (g raftGroup) Propose(e raftlog.Encoded) Proposal { return g.ProposeEncoded(e) }

// proposeAppend encodes a filled entry and sends it off. The records are read
// here for the last time.
func (c *Coalescer) proposeAppend(f *flight) {
	keys := c.place(f)
	at := shardlog.Stamp{Term: c.term, Ms: f.stamp}
	command := shardlog.Encode(nil, at, shardlog.Append{})
	size := len(command)
	for i := range f.blocks {
		size += keySize + f.blocks[i].size
	}
	entry := raftlog.NewEntryBuilder(raftlog.EntrySize(len(f.blocks), size))
	for i := range f.blocks {
		b := &f.blocks[i]
		c.key = keys[i].Append(c.key[:0])
		entry.AppendRow(c.key, func(dst []byte) []byte {
			return stream.AppendBlock(dst, stream.BlockHeader{First: b.first, ArrivedMs: f.stamp}, c.recordsOf(b))
		})
	}
	encoded := entry.Finish(c.term, command)
	f.bytes = encoded.Len()
	c.release(f)
	c.send(f, encoded)
}

// keySize is the length of a block's key, about.
const keySize = 34

func (c *Coalescer) proposeControl(k *call) {
	at := shardlog.Stamp{Term: c.term, Ms: c.nextStamp(0)}
	entry := raftlog.NewEntryBuilder(0).Finish(c.term, shardlog.Encode(nil, at, k.command))
	c.send(&flight{control: k, bytes: entry.Len()}, entry)
}

func (c *Coalescer) send(f *flight, e raftlog.Encoded) {
	f.began = c.clock.src.Elapsed()
	f.proposal = c.cfg.Group.Propose(e)
	c.flying <- f
}
