package shardlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// reader takes varints off a buffer and remembers that it ran short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > 1<<32-1 {
		r.bad = true
	}
	return uint32(v)
}

// int reads a time: milliseconds or seconds, never negative.
func (r *reader) int() int64 {
	v := r.uint()
	if v > 1<<63-1 {
		r.bad = true
	}
	return int64(v)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) fixed64() uint64 {
	if len(r.b) < 8 {
		r.bad = true
		r.b = nil
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// count reads how many elements follow, each of at least size bytes, so that a
// forged count cannot make the caller allocate more than the buffer is long.
func (r *reader) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.b)/size) {
		r.bad = true
		return 0
	}
	return int(v)
}

func (r *reader) shard() stream.ShardID {
	return stream.ShardID{Stream: stream.StreamID(r.uint()), Index: r.uint32()}
}

func (r *reader) position() stream.Position { return stream.Position(r.uint()) }

var errMalformed = errors.New("malformed")

// end tells whether everything was there and nothing was left over.
func (r *reader) end(what string) error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("%s: %w", what, errMalformed)
	}
	return nil
}

func putUint[T ~uint64 | ~uint32 | ~int | ~int64](dst []byte, v T) []byte {
	return binary.AppendUvarint(dst, uint64(v))
}

func putShard(dst []byte, id stream.ShardID) []byte {
	return putUint(putUint(dst, uint64(id.Stream)), id.Index)
}
