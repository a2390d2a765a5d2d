// Package key is the one place that knows how keys in the node's store are
// made. Keys are ordered bytes: a space byte, then fields whose byte order is
// their natural order. The package is pure and knows no values; those belong to
// the rooms that write them. docs/format/keys.md draws every key.
package key

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// The spaces. A space is never given another meaning.
const (
	spaceNode         = 0x01
	spaceLog          = 0x02
	spaceStable       = 0x03
	spaceGroup        = 0x04
	spaceShard        = 0x05
	spaceSegment      = 0x06
	spaceSegmentShard = 0x07
	spaceShardSegment = 0x08
	spaceMeta         = 0x09
	spaceBlock        = 0x10
)

// ErrMalformed is matched by every error of a Parse function.
var ErrMalformed = errors.New("malformed key")

func malformed(kind string, k []byte) error {
	const most = 64
	return fmt.Errorf("%w: %x is no %s key", ErrMalformed, k[:min(len(k), most)], kind)
}

func u32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }
func u64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }

func grouped(space byte, group uint32, room int) []byte {
	return u32(append(make([]byte, 0, 5+room), space), group)
}

func shardID(dst []byte, s stream.ShardID) []byte {
	return u32(u64(dst, uint64(s.Stream)), s.Index)
}

func readShard(b []byte) stream.ShardID {
	return stream.ShardID{Stream: stream.StreamID(binary.BigEndian.Uint64(b)), Index: binary.BigEndian.Uint32(b[8:])}
}

// bounds are the limits [lo, hi) of all keys that begin with prefix.
func bounds(prefix []byte) (lo, hi []byte) {
	hi = bytes.Clone(prefix)
	for i := len(hi) - 1; i >= 0; i-- {
		hi[i]++
		if hi[i] != 0 {
			return prefix, hi[:i+1]
		}
	}
	return prefix, nil // only for a prefix of 0xff bytes, which no space has
}

// fixed checks space and length of a key and returns what follows the group.
func fixed(kind string, space byte, rest int, k []byte) (group uint32, b []byte, err error) {
	if len(k) != 5+rest || k[0] != space {
		return 0, nil, malformed(kind, k)
	}
	return binary.BigEndian.Uint32(k[1:]), k[5:], nil
}

// Node is a row of the node itself.
func Node(name string) []byte { return append([]byte{spaceNode}, name...) }

// Log is the header row of one log entry.
func Log(group uint32, index uint64) []byte { return u64(grouped(spaceLog, group, 8), index) }

// LogBounds are the limits of a group's header rows.
func LogBounds(group uint32) (lo, hi []byte) { return bounds(grouped(spaceLog, group, 0)) }

// ParseLog reads what Log made.
func ParseLog(k []byte) (group uint32, index uint64, err error) {
	group, b, err := fixed("log", spaceLog, 8, k)
	if err != nil {
		return 0, 0, err
	}
	return group, binary.BigEndian.Uint64(b), nil
}

// Stable is a synced row of a group: term, vote, snapshot.
func Stable(group uint32, name string) []byte {
	return append(grouped(spaceStable, group, len(name)), name...)
}

// GroupState is a small row of a group's state.
func GroupState(group uint32, name string) []byte {
	return append(grouped(spaceGroup, group, len(name)), name...)
}

// Shard is the state row of a shard in its data group.
func Shard(group uint32, shard stream.ShardID) []byte {
	return shardID(grouped(spaceShard, group, 12), shard)
}

// ShardBounds are the limits of a group's shard rows.
func ShardBounds(group uint32) (lo, hi []byte) { return bounds(grouped(spaceShard, group, 0)) }

// ParseShard reads what Shard made.
func ParseShard(k []byte) (group uint32, shard stream.ShardID, err error) {
	group, b, err := fixed("shard", spaceShard, 12, k)
	if err != nil {
		return 0, shard, err
	}
	return group, readShard(b), nil
}
