package shardlog

import (
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

const commandVersion = 1

type kind uint8

const (
	kindAppend       kind = 1
	kindPrepare      kind = 2
	kindOpen         kind = 3
	kindClose        kind = 4
	kindSetRetention kind = 5
	kindDelete       kind = 6
	kindPurge        kind = 7
	kindTrim         kind = 8
	kindConfigure    kind = 9
)

func (Append) kind() kind       { return kindAppend }
func (Prepare) kind() kind      { return kindPrepare }
func (OpenShards) kind() kind   { return kindOpen }
func (CloseShards) kind() kind  { return kindClose }
func (SetRetention) kind() kind { return kindSetRetention }
func (DeleteShards) kind() kind { return kindDelete }
func (Purge) kind() kind        { return kindPurge }
func (Trim) kind() kind         { return kindTrim }
func (Configure) kind() kind    { return kindConfigure }

// Encode appends the command of an entry to dst.
func Encode(dst []byte, at Stamp, c Command) []byte {
	dst = append(dst, commandVersion, byte(c.kind()))
	dst = putUint(dst, at.Term)
	dst = putUint(dst, at.Ms)
	return c.encode(dst)
}

// Decode reads what Encode wrote. An error means that the node is too old for
// the log, or that the log is damaged: nothing that may be skipped.
func Decode(b []byte) (Stamp, Command, error) {
	r := &reader{b: b}
	version, k := r.byte(), kind(r.byte())
	if r.bad {
		return Stamp{}, nil, fmt.Errorf("command: %w", errMalformed)
	}
	if version != commandVersion {
		return Stamp{}, nil, fmt.Errorf("command version %d is unknown", version)
	}
	at := Stamp{Term: r.uint(), Ms: r.int()}
	c := decodeBody(r, k)
	if c == nil {
		return Stamp{}, nil, fmt.Errorf("command kind %d is unknown", k)
	}
	if err := r.end("command"); err != nil {
		return Stamp{}, nil, err
	}
	return at, c, nil
}

func decodeBody(r *reader, k kind) Command {
	switch k {
	case kindAppend:
		return Append{}
	case kindPrepare:
		return decodePrepare(r)
	case kindOpen:
		return decodeOpen(r)
	case kindClose:
		return CloseShards{MetaIndex: r.uint(), Shards: r.shards()}
	case kindSetRetention:
		return SetRetention{Hours: r.uint32(), Shards: r.shards()}
	case kindDelete:
		return DeleteShards{Shards: r.shards()}
	case kindPurge:
		return Purge{Shard: r.shard(), Segments: r.uint32()}
	case kindTrim:
		return decodeTrim(r)
	case kindConfigure:
		return Configure{SegmentBytes: r.uint()}
	}
	return nil
}

func (Append) encode(dst []byte) []byte { return dst }

func (c Prepare) encode(dst []byte) []byte {
	dst = putUint(dst, len(c.Shards))
	for _, s := range c.Shards {
		dst = putSpec(dst, s)
	}
	return dst
}

func decodePrepare(r *reader) Command {
	c := Prepare{Shards: make([]ShardSpec, r.count(5))}
	for i := range c.Shards {
		c.Shards[i] = r.spec()
	}
	return c
}

func putSpec(dst []byte, s ShardSpec) []byte {
	dst = putShard(dst, s.ID)
	dst = putUint(dst, s.CreatedSec)
	dst = putUint(dst, s.ArrivalFloorMs)
	return putUint(dst, s.RetentionHours)
}

func (r *reader) spec() ShardSpec {
	return ShardSpec{ID: r.shard(), CreatedSec: r.int(), ArrivalFloorMs: r.int(), RetentionHours: r.uint32()}
}

func (c OpenShards) encode(dst []byte) []byte {
	dst = putUint(dst, len(c.Shards))
	for _, s := range c.Shards {
		dst = putUint(putShard(dst, s.ID), s.ArrivalFloorMs)
	}
	return dst
}

func decodeOpen(r *reader) Command {
	c := OpenShards{Shards: make([]Opening, r.count(3))}
	for i := range c.Shards {
		c.Shards[i] = Opening{ID: r.shard(), ArrivalFloorMs: r.int()}
	}
	return c
}

func (c CloseShards) encode(dst []byte) []byte {
	return putShards(putUint(dst, c.MetaIndex), c.Shards)
}

func (c SetRetention) encode(dst []byte) []byte {
	return putShards(putUint(dst, c.Hours), c.Shards)
}

func (c DeleteShards) encode(dst []byte) []byte { return putShards(dst, c.Shards) }

func (c Purge) encode(dst []byte) []byte { return putUint(putShard(dst, c.Shard), c.Segments) }

func (c Configure) encode(dst []byte) []byte { return putUint(dst, c.SegmentBytes) }

func (c Trim) encode(dst []byte) []byte {
	dst = putUint(dst, len(c.Segments))
	for _, s := range c.Segments {
		dst = putUint(append(dst, s.Class), s.Segment)
	}
	return dst
}

func decodeTrim(r *reader) Command {
	c := Trim{Segments: make([]SegmentID, r.count(2))}
	for i := range c.Segments {
		c.Segments[i] = SegmentID{Class: r.byte(), Segment: r.uint()}
	}
	return c
}

func putShards(dst []byte, ids []stream.ShardID) []byte {
	dst = putUint(dst, len(ids))
	for _, id := range ids {
		dst = putShard(dst, id)
	}
	return dst
}

func (r *reader) shards() []stream.ShardID {
	ids := make([]stream.ShardID, r.count(2))
	for i := range ids {
		ids[i] = r.shard()
	}
	return ids
}
