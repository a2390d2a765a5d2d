package metadata

import (
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// version is the format of commands and rows.
const version = 1

type kind byte

// Kinds of commands: numbers are on disk, never reused.
const (
	kindInit kind = iota + 1
	kindGroupReady
	kindRotateKey
	kindCreateStream
	kindDeleteStream
	kindSplitShard
	kindMergeShards
	kindUpdateShardCount
	kindSetRetention
	kindPlanRound
	kindFlip
	kindOpened
	kindRetentionDone
	kindFinish
	kindRemoved
	kindForget
)

// Encode makes the command of a log entry. nowMs is the leader's time.
func Encode(c Command, nowMs int64) []byte {
	w := writer{b: make([]byte, 0, 64)}
	w.byte(version)
	w.byte(byte(c.kind()))
	w.time(nowMs)
	c.encode(&w)
	return w.b
}

// Decode reads what Encode made. An error means a version this program does
// not know, or damage: the group must halt.
func Decode(b []byte) (c Command, ms int64, err error) {
	r := reader{b: b}
	if v := r.byte(); v != version {
		return nil, 0, fmt.Errorf("metadata command of version %d, this program knows %d", v, version)
	}
	k := kind(r.byte())
	c = blank(k)
	if c == nil {
		return nil, 0, fmt.Errorf("metadata command of unknown kind %d", k)
	}
	ms = r.time()
	c.decode(&r)
	if err := r.done(fmt.Sprintf("metadata command of kind %d", k)); err != nil {
		return nil, 0, err
	}
	return c, ms, nil
}

func blank(k kind) Command {
	switch k {
	case kindInit:
		return &Init{}
	case kindGroupReady:
		return &GroupReady{}
	case kindRotateKey:
		return &RotateKey{}
	case kindCreateStream:
		return &CreateStream{}
	case kindDeleteStream:
		return &DeleteStream{}
	case kindSplitShard:
		return &SplitShard{}
	case kindMergeShards:
		return &MergeShards{}
	case kindUpdateShardCount:
		return &UpdateShardCount{}
	case kindSetRetention:
		return &SetRetention{}
	case kindPlanRound:
		return &PlanRound{}
	case kindFlip:
		return &Flip{}
	case kindOpened:
		return &Opened{}
	case kindRetentionDone:
		return &RetentionDone{}
	case kindFinish:
		return &Finish{}
	case kindRemoved:
		return &Removed{}
	case kindForget:
		return &Forget{}
	}
	return nil
}

func (*Init) kind() kind             { return kindInit }
func (*GroupReady) kind() kind       { return kindGroupReady }
func (*RotateKey) kind() kind        { return kindRotateKey }
func (*CreateStream) kind() kind     { return kindCreateStream }
func (*DeleteStream) kind() kind     { return kindDeleteStream }
func (*SplitShard) kind() kind       { return kindSplitShard }
func (*MergeShards) kind() kind      { return kindMergeShards }
func (*UpdateShardCount) kind() kind { return kindUpdateShardCount }
func (*SetRetention) kind() kind     { return kindSetRetention }
func (*PlanRound) kind() kind        { return kindPlanRound }
func (*Flip) kind() kind             { return kindFlip }
func (*Opened) kind() kind           { return kindOpened }
func (*RetentionDone) kind() kind    { return kindRetentionDone }
func (*Finish) kind() kind           { return kindFinish }
func (*Removed) kind() kind          { return kindRemoved }
func (*Forget) kind() kind           { return kindForget }

func (c *Init) encode(w *writer) {
	w.bytes(c.Cluster[:])
	w.uint32(c.Groups)
	w.bytes(c.Key[:])
}

func (c *Init) decode(r *reader) {
	r.bytes(c.Cluster[:])
	c.Groups = r.uint32()
	r.bytes(c.Key[:])
}

func (c *GroupReady) encode(w *writer) { w.uint32(c.Group) }
func (c *GroupReady) decode(r *reader) { c.Group = r.uint32() }

func (c *RotateKey) encode(w *writer) {
	w.uint32(c.Key.ID)
	w.bytes(c.Key.Secret[:])
}

func (c *RotateKey) decode(r *reader) {
	c.Key.ID = r.uint32()
	r.bytes(c.Key.Secret[:])
}

func (c *CreateStream) encode(w *writer) {
	w.string(c.Name)
	w.uint32(c.RetentionHours)
	w.uint(uint64(len(c.Groups)))
	for _, g := range c.Groups {
		w.uint32(g)
	}
	w.time(c.DueMs)
	w.limits(c.Limits)
}

func (c *CreateStream) decode(r *reader) {
	c.Name = r.string()
	c.RetentionHours = r.uint32()
	for range r.count(1) {
		c.Groups = append(c.Groups, r.uint32())
	}
	c.DueMs = r.time()
	c.Limits = r.limits()
}

func (c *DeleteStream) encode(w *writer) {
	w.string(c.Name)
	w.time(c.DueMs)
}

func (c *DeleteStream) decode(r *reader) {
	c.Name = r.string()
	c.DueMs = r.time()
}

func (c *SplitShard) encode(w *writer) {
	w.string(c.Name)
	w.uint32(c.Shard)
	w.key(c.At)
	w.uint32(c.Groups[0])
	w.uint32(c.Groups[1])
	w.time(c.DueMs)
	w.limits(c.Limits)
}

func (c *SplitShard) decode(r *reader) {
	c.Name = r.string()
	c.Shard = r.uint32()
	c.At = r.key()
	c.Groups = [2]uint32{r.uint32(), r.uint32()}
	c.DueMs = r.time()
	c.Limits = r.limits()
}

func (c *MergeShards) encode(w *writer) {
	w.string(c.Name)
	w.uint32(c.Shard)
	w.uint32(c.Adjacent)
	w.uint32(c.Group)
	w.time(c.DueMs)
}

func (c *MergeShards) decode(r *reader) {
	c.Name = r.string()
	c.Shard = r.uint32()
	c.Adjacent = r.uint32()
	c.Group = r.uint32()
	c.DueMs = r.time()
}

func (c *UpdateShardCount) encode(w *writer) {
	w.string(c.Name)
	w.uint32(c.Target)
	w.time(c.DueMs)
	w.limits(c.Limits)
}

func (c *UpdateShardCount) decode(r *reader) {
	c.Name = r.string()
	c.Target = r.uint32()
	c.DueMs = r.time()
	c.Limits = r.limits()
}

func (c *SetRetention) encode(w *writer) {
	w.string(c.Name)
	w.uint32(c.Hours)
	w.bool(c.MayIncrease)
	w.bool(c.MayDecrease)
	w.time(c.DueMs)
}

func (c *SetRetention) decode(r *reader) {
	c.Name = r.string()
	c.Hours = r.uint32()
	c.MayIncrease = r.bool()
	c.MayDecrease = r.bool()
	c.DueMs = r.time()
}

func (c *PlanRound) encode(w *writer) {
	w.uint(uint64(c.Stream))
	w.uint32(c.First)
	w.uint(uint64(len(c.Children)))
	for _, ch := range c.Children {
		w.hashRange(ch.Range)
		w.uint32(ch.Parent)
		w.optional(ch.Adjacent)
		w.uint32(ch.Group)
	}
}

func (c *PlanRound) decode(r *reader) {
	c.Stream = stream.StreamID(r.uint())
	c.First = r.uint32()
	for range r.count(35) {
		c.Children = append(c.Children, Child{
			Range: r.hashRange(), Parent: r.uint32(), Adjacent: r.optional(), Group: r.uint32(),
		})
	}
}

func (c *Flip) encode(w *writer) {
	w.uint(uint64(c.Stream))
	w.uint32(c.First)
	w.uint(uint64(len(c.Endings)))
	for _, e := range c.Endings {
		w.uint32(e.Shard)
		w.uint(uint64(e.End))
		w.time(e.ClosedMs)
	}
}

func (c *Flip) decode(r *reader) {
	c.Stream = stream.StreamID(r.uint())
	c.First = r.uint32()
	for range r.count(3) {
		c.Endings = append(c.Endings, Ending{
			Shard: r.uint32(), End: stream.Position(r.uint()), ClosedMs: r.time(),
		})
	}
}

func (c *Opened) encode(w *writer) {
	w.uint(uint64(c.Stream))
	w.uint32(c.First)
}

func (c *Opened) decode(r *reader) {
	c.Stream = stream.StreamID(r.uint())
	c.First = r.uint32()
}

func (c *RetentionDone) encode(w *writer) {
	w.uint(uint64(c.Stream))
	w.uint32(c.Hours)
}

func (c *RetentionDone) decode(r *reader) {
	c.Stream = stream.StreamID(r.uint())
	c.Hours = r.uint32()
}

func (c *Finish) encode(w *writer) { w.uint(uint64(c.Stream)) }
func (c *Finish) decode(r *reader) { c.Stream = stream.StreamID(r.uint()) }

func (c *Removed) encode(w *writer) { w.uint(uint64(c.Stream)) }
func (c *Removed) decode(r *reader) { c.Stream = stream.StreamID(r.uint()) }

func (c *Forget) encode(w *writer) {
	w.uint(uint64(c.Stream))
	w.uint(uint64(len(c.Shards)))
	for _, i := range c.Shards {
		w.uint32(i)
	}
}

func (c *Forget) decode(r *reader) {
	c.Stream = stream.StreamID(r.uint())
	for range r.count(1) {
		c.Shards = append(c.Shards, r.uint32())
	}
}
