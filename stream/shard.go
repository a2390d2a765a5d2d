package stream

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// StreamID is one incarnation of a stream. It is never used again in a
// cluster: a stream that is made again under the same name shares nothing
// with the old one.
type StreamID uint64

// ShardID names a shard for its whole life. Indexes count all shards ever
// made in the stream, from 0.
type ShardID struct {
	Stream StreamID
	Index  uint32
}

// Name is the shard's public id, unique in its stream only.
func (s ShardID) Name() string { return ShardName(s.Index) }

func (s ShardID) String() string { return fmt.Sprintf("%d/%s", s.Stream, s.Name()) }

// ShardName is the public id of the shard with this index.
func ShardName(index uint32) string { return fmt.Sprintf("shardId-%012d", index) }

// ParseShardName reads a shard's public id as leniently as Kinesis does: what
// follows the first hyphen, or all of it, must be digits up to 2^31-1.
func ParseShardName(name string) (uint32, error) {
	digits := name
	if _, after, found := strings.Cut(name, "-"); found {
		digits = after
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > math.MaxInt32 {
		return 0, Errorf(CodeNotFound, "shard name %.64q has no index", name)
	}
	return uint32(n), nil
}

// Position counts the records of a group from 1. Positions of one shard
// increase, with gaps. 0 is before every record.
type Position uint64

// MaxPosition belongs to the closing number of a shard; no record has it.
const MaxPosition Position = 1<<63 - 1
