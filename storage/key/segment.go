package key

import (
	"encoding/binary"

	"github.com/runnel-io/runnel/stream"
)

// BlockKey says where a block lies. New blocks sort behind old ones of their
// class, so that a segment is one range that can be dropped as a whole.
type BlockKey struct {
	Group   uint32
	Class   uint8
	Segment uint64
	Shard   stream.ShardID
	First   stream.Position
}

const blockKeySize = 1 + 4 + 1 + 8 + 12 + 8

// Append appends the key to dst.
func (b BlockKey) Append(dst []byte) []byte {
	dst = u64(append(u32(append(dst, spaceBlock), b.Group), b.Class), b.Segment)
	return u64(shardID(dst, b.Shard), uint64(b.First))
}

// ParseBlock reads what BlockKey.Append made.
func ParseBlock(k []byte) (BlockKey, error) {
	if len(k) != blockKeySize || k[0] != spaceBlock {
		return BlockKey{}, malformed("block", k)
	}
	return BlockKey{
		Group:   binary.BigEndian.Uint32(k[1:]),
		Class:   k[5],
		Segment: binary.BigEndian.Uint64(k[6:]),
		Shard:   readShard(k[14:]),
		First:   stream.Position(binary.BigEndian.Uint64(k[26:])),
	}, nil
}

// SegmentOf tells in which segment a block's key is; ok is false for other keys.
func SegmentOf(k []byte) (class uint8, segment uint64, ok bool) {
	if len(k) != blockKeySize || k[0] != spaceBlock {
		return 0, 0, false
	}
	return k[5], binary.BigEndian.Uint64(k[6:]), true
}

func classed(space byte, group uint32, class uint8, segment uint64) []byte {
	return u64(append(grouped(space, group, 21), class), segment)
}

// BlockBounds are the limits of a shard's blocks in one segment.
func BlockBounds(group uint32, class uint8, segment uint64, shard stream.ShardID) (lo, hi []byte) {
	return bounds(shardID(classed(spaceBlock, group, class, segment), shard))
}

// SegmentBounds are the limits of all blocks of one segment.
func SegmentBounds(group uint32, class uint8, segment uint64) (lo, hi []byte) {
	return bounds(classed(spaceBlock, group, class, segment))
}

// AllBlockBounds are the limits of all blocks of a group.
func AllBlockBounds(group uint32) (lo, hi []byte) { return bounds(grouped(spaceBlock, group, 0)) }

// Segment is the directory row of a segment.
func Segment(group uint32, class uint8, segment uint64) []byte {
	return classed(spaceSegment, group, class, segment)
}

// SegmentsBounds are the limits of the directory rows of a class.
func SegmentsBounds(group uint32, class uint8) (lo, hi []byte) {
	return bounds(append(grouped(spaceSegment, group, 1), class))
}

// ParseSegment reads what Segment made.
func ParseSegment(k []byte) (group uint32, class uint8, segment uint64, err error) {
	group, b, err := fixed("segment", spaceSegment, 9, k)
	if err != nil {
		return 0, 0, 0, err
	}
	return group, b[0], binary.BigEndian.Uint64(b[1:]), nil
}

// SegmentShard says that a segment holds blocks of a shard.
func SegmentShard(group uint32, class uint8, segment uint64, shard stream.ShardID) []byte {
	return shardID(classed(spaceSegmentShard, group, class, segment), shard)
}

// SegmentShardBounds are the limits of the rows that name a segment's shards.
func SegmentShardBounds(group uint32, class uint8, segment uint64) (lo, hi []byte) {
	return bounds(classed(spaceSegmentShard, group, class, segment))
}

// ParseSegmentShard reads what SegmentShard made.
func ParseSegmentShard(k []byte) (group uint32, class uint8, segment uint64, shard stream.ShardID, err error) {
	group, b, err := fixed("segment shard", spaceSegmentShard, 21, k)
	if err != nil {
		return 0, 0, 0, shard, err
	}
	return group, b[0], binary.BigEndian.Uint64(b[1:]), readShard(b[9:]), nil
}

// ShardSegment leads a reader of a shard to the segment whose blocks begin at
// first, by one seek.
func ShardSegment(group uint32, shard stream.ShardID, first stream.Position) []byte {
	return u64(shardID(grouped(spaceShardSegment, group, 20), shard), uint64(first))
}

// ShardSegmentBounds are the limits of a shard's segment rows.
func ShardSegmentBounds(group uint32, shard stream.ShardID) (lo, hi []byte) {
	return bounds(shardID(grouped(spaceShardSegment, group, 12), shard))
}

// ParseShardSegment reads what ShardSegment made.
func ParseShardSegment(k []byte) (group uint32, shard stream.ShardID, first stream.Position, err error) {
	group, b, err := fixed("shard segment", spaceShardSegment, 20, k)
	if err != nil {
		return 0, shard, 0, err
	}
	return group, readShard(b), stream.Position(binary.BigEndian.Uint64(b[12:])), nil
}
