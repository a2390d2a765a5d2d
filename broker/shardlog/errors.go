package shardlog

import (
	"errors"
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// ClosedError answers an append to a shard that has been resharded. The caller
// waits for the metadata index and routes its records anew. Nothing was stored.
type ClosedError struct {
	Shard     stream.ShardID
	MetaIndex uint64
}

func (e *ClosedError) Error() string {
	return fmt.Sprintf("shard %s is closed; its children are known at metadata index %d", e.Shard.Name(), e.MetaIndex)
}

// Unwrap makes the error a retryable one of the catalogue.
func (e *ClosedError) Unwrap() error {
	return stream.Errorf(stream.CodeUnavailable, "%s", e.Error())
}

func errUnknownShard(id stream.ShardID) error {
	return stream.Errorf(stream.CodeNotFound, "shard %s of stream incarnation %d is not in this group", id.Name(), id.Stream)
}

// ErrNotOpen is the cause when a shard takes no records yet: it will soon.
var ErrNotOpen = errors.New("prepared, not open")

// errNotTaken tells why a shard takes no records, nil if it does.
func errNotTaken(s ShardState) error {
	switch s.Phase {
	case Open:
		return nil
	case Prepared:
		return stream.Wrap(stream.CodeUnavailable, ErrNotOpen, "shard "+s.ID.Name()+" is not open yet")
	case Closed:
		return &ClosedError{Shard: s.ID, MetaIndex: s.MetaIndex}
	}
	return errUnknownShard(s.ID)
}
