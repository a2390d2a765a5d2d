package key

import (
	"encoding/binary"

	"github.com/runnel-io/runnel/stream"
)

// Kinds of metadata rows. A kind is never given another meaning.
const (
	metaState  = 's'
	metaName   = 'n'
	metaStream = 't'
	metaShard  = 'h'
)

// MetaState is a single row of the metadata group, by name.
func MetaState(name string) []byte { return append([]byte{spaceMeta, metaState}, name...) }

// MetaName is the row of a name, which outlives the streams that bore it.
func MetaName(name string) []byte { return append([]byte{spaceMeta, metaName}, name...) }

// MetaNameBounds are the limits of all name rows.
func MetaNameBounds() (lo, hi []byte) { return bounds([]byte{spaceMeta, metaName}) }

// ParseMetaName reads what MetaName made.
func ParseMetaName(k []byte) (string, error) {
	if len(k) < 2 || k[0] != spaceMeta || k[1] != metaName {
		return "", malformed("metadata name", k)
	}
	return string(k[2:]), nil
}

// MetaStream is the row of a stream.
func MetaStream(id stream.StreamID) []byte {
	return u64([]byte{spaceMeta, metaStream}, uint64(id))
}

// MetaStreamBounds are the limits of all stream rows.
func MetaStreamBounds() (lo, hi []byte) { return bounds([]byte{spaceMeta, metaStream}) }

// ParseMetaStream reads what MetaStream made.
func ParseMetaStream(k []byte) (stream.StreamID, error) {
	if len(k) != 10 || k[0] != spaceMeta || k[1] != metaStream {
		return 0, malformed("metadata stream", k)
	}
	return stream.StreamID(binary.BigEndian.Uint64(k[2:])), nil
}

// MetaShard is the row of a shard in the shard map.
func MetaShard(s stream.ShardID) []byte { return shardID([]byte{spaceMeta, metaShard}, s) }

// MetaShardBounds are the limits of a stream's shard rows.
func MetaShardBounds(id stream.StreamID) (lo, hi []byte) {
	return bounds(u64([]byte{spaceMeta, metaShard}, uint64(id)))
}

// MetaShardsBounds are the limits of all shard rows.
func MetaShardsBounds() (lo, hi []byte) { return bounds([]byte{spaceMeta, metaShard}) }

// ParseMetaShard reads what MetaShard made.
func ParseMetaShard(k []byte) (stream.ShardID, error) {
	if len(k) != 14 || k[0] != spaceMeta || k[1] != metaShard {
		return stream.ShardID{}, malformed("metadata shard", k)
	}
	return readShard(k[2:]), nil
}

// ParseMetaState reads what MetaState made.
func ParseMetaState(k []byte) (name string, err error) {
	if len(k) < 2 || k[0] != spaceMeta || k[1] != metaState {
		return "", malformed("metadata state", k)
	}
	return string(k[2:]), nil
}

// MetaBounds are the limits of all metadata rows.
func MetaBounds() (lo, hi []byte) { return bounds([]byte{spaceMeta}) }
