package shardlog

import (
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// Phase is where a shard is in its life. It only moves forward.
type Phase uint8

// Phases. The zero Phase stands for a shard that the group does not know.
const (
	Prepared Phase = iota + 1 // known, takes no records yet
	Open                      // takes records
	Closed                    // resharded: readable until its records expire
	Deleting                  // gone for every reader, its blocks not yet all removed
)

func (p Phase) String() string {
	switch p {
	case Prepared:
		return "prepared"
	case Open:
		return "open"
	case Closed:
		return "closed"
	case Deleting:
		return "deleting"
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// ShardSpec is what a shard is prepared with.
type ShardSpec struct {
	ID             stream.ShardID
	CreatedSec     int64  // orders the sequence numbers; may run ahead of the clock
	ArrivalFloorMs int64  // no record of the shard is stamped earlier
	RetentionHours uint32 // decides the retention class
}

// ShardState is a shard as its group knows it.
type ShardState struct {
	ShardSpec
	Phase         Phase
	FloorMs       int64           // records that arrived before it had expired when the retention was changed, and stay hidden
	OpenedMs      int64           // stamp of the entry that opened it
	ClosedMs      int64           // stamp of the entry that closed it
	MetaIndex     uint64          // what Close named: the metadata index to wait for
	FirstPosition stream.Position // of its first record ever, 0 if it never had one
	LastPosition  stream.Position // of its last record, 0 if it never had one
	EndPosition   stream.Position // LastPosition when it was closed
	LastArrivalMs int64           // stamp of its last record
	Records       uint64          // ever stored
	Bytes         uint64          // of data and keys of these records
}

// RetentionMs is the retention in milliseconds.
func (s ShardState) RetentionMs() int64 { return int64(s.RetentionHours) * msPerHour }

// HorizonMs is the arrival before which a record is hidden at time nowMs.
func (s ShardState) HorizonMs(nowMs int64) int64 { return max(nowMs-s.RetentionMs(), s.FloorMs) }

const msPerHour = 3_600_000

// Classes of retention: shards of one class share segments.
const (
	ClassDay  uint8 = 0 // up to 24 hours
	ClassWeek uint8 = 1 // up to 7 days
	ClassLong uint8 = 2 // longer

	classes = 3
)

// ClassOf is the retention class of a shard that keeps its records that long.
func ClassOf(retentionHours uint32) uint8 {
	switch {
	case retentionHours <= 24:
		return ClassDay
	case retentionHours <= 7*24:
		return ClassWeek
	}
	return ClassLong
}

// SegmentID names a segment within a group.
type SegmentID struct {
	Class   uint8
	Segment uint64 // from 1, per class
}

func (s SegmentID) String() string { return fmt.Sprintf("segment %d of class %d", s.Segment, s.Class) }

// SegmentInfo is a segment's row in the directory.
type SegmentInfo struct {
	SegmentID
	FirstPosition, LastPosition   stream.Position
	FirstArrivalMs, LastArrivalMs int64
	Bytes                         uint64 // encoded blocks
	Blocks                        uint64
}
