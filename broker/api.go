package broker

import (
	"iter"

	"github.com/runnel-io/runnel/stream"
)

// Status is where a stream is in its life.
type Status string

// Statuses, spelt as the API spells them.
const (
	StatusCreating Status = "CREATING"
	StatusActive   Status = "ACTIVE"
	StatusUpdating Status = "UPDATING"
	StatusDeleting Status = "DELETING"
)

// ModeProvisioned is the mode of a stream whose shards its owner counts.
const ModeProvisioned = "PROVISIONED"

// StreamInfo describes a stream at one moment.
type StreamInfo struct {
	ID             stream.StreamID
	Name           string
	ARN            string
	Status         Status
	Mode           string
	CreatedMs      int64
	RetentionHours int
	OpenShards     int
	MaxRecordBytes int // data and key of one record
}

// ShardInfo describes a shard at one moment.
type ShardInfo struct {
	ID             stream.ShardID
	Range          stream.HashRange
	Start          stream.Sequence
	End            stream.Sequence // of a closed shard
	Closed         bool
	Parent         int64 // index, -1 for none
	AdjacentParent int64 // index, -1 for none
	OpenedMs       int64
	ClosedMs       int64 // 0 while open
}

// FilterKind chooses what ListShards lists.
type FilterKind uint8

// Filters of ListShards. The three At filters list shards that tile the hash space.
const (
	FilterNone FilterKind = iota // every shard that has not expired
	FilterAfterShard
	FilterAtTrimHorizon
	FilterFromTrimHorizon
	FilterAtLatest
	FilterAtTimestamp
	FilterFromTimestamp
)

// ShardFilter is what ListShards lists.
type ShardFilter struct {
	Kind        FilterKind
	ShardID     string // FilterAfterShard
	TimestampMs int64  // FilterAtTimestamp, FilterFromTimestamp
}

// RetentionChange tells which direction of change the caller allows.
type RetentionChange uint8

// Directions of SetRetention.
const (
	RetentionSet RetentionChange = iota // whichever
	RetentionIncrease
	RetentionDecrease
)

// PutRecord is one record to store. Data is neither modified nor kept.
type PutRecord struct {
	PartitionKey    string
	ExplicitHashKey *stream.HashKey // nil: the MD5 of the partition key
	Data            []byte
}

// PutResult is what became of one record. If Err is nil it is stored, synced
// on a majority, at Sequence of Shard.
type PutResult struct {
	Shard    uint32
	Sequence stream.Sequence
	Err      error // a *stream.Error
}

// FromKind is how a reader names the place where it begins.
type FromKind uint8

// The kinds of places.
const (
	AtSequence FromKind = iota + 1
	AfterSequence
	TrimHorizon
	Latest
	AtTimestamp
	// AtPosition is an exact resumption: the first record at or after Position.
	AtPosition
)

func (k FromKind) String() string {
	switch k {
	case AtSequence:
		return "AT_SEQUENCE_NUMBER"
	case AfterSequence:
		return "AFTER_SEQUENCE_NUMBER"
	case TrimHorizon:
		return "TRIM_HORIZON"
	case Latest:
		return "LATEST"
	case AtTimestamp:
		return "AT_TIMESTAMP"
	case AtPosition:
		return "AT_POSITION"
	}
	return "UNKNOWN"
}

// From is the place in a shard where a reader begins.
type From struct {
	Kind        FromKind
	Sequence    string          // as the client sent it; "" if it sent none
	TimestampMs int64           // AtTimestamp
	Position    stream.Position // AtPosition
	// NoTimestamp tells that the client sent none: AtTimestamp is then refused.
	NoTimestamp bool
}

// ReadBlock is a block and the part of it that the reader gets: its records
// from First to Last.
type ReadBlock struct {
	Block       stream.Block
	First, Last stream.Position
}

// ChildShard is a shard that succeeds a closed one.
type ChildShard struct {
	ID      stream.ShardID
	Parents []uint32 // indexes: one after a split, two after a merge
	Range   stream.HashRange
}

// Stamp is the public number of a record and the time of its arrival.
type Stamp struct {
	Sequence  stream.Sequence
	ArrivedMs int64
}

// ReadResult is the answer of Read. Its records alias memory shared with other
// readers and must not be modified.
type ReadResult struct {
	StreamName   string
	Shard        ShardInfo
	Blocks       []ReadBlock
	NextToken    string // "" at the end of a closed shard
	MillisBehind int64  // 0: caught up
	Children     []ChildShard
}

// Records iterates over the records in order.
func (r ReadResult) Records() iter.Seq2[Stamp, stream.Record] { return records(r.Shard, r.Blocks) }

// SubscriptionEvent is what a subscription has to say. Its records alias memory
// shared with other readers and must not be modified.
type SubscriptionEvent struct {
	Shard        ShardInfo
	Blocks       []ReadBlock
	Continuation stream.Sequence // a new subscription goes on with AfterSequence of it
	Next         stream.Position // or AtPosition of it
	MillisBehind int64
	// Ended tells that the shard is closed and read to its end: Children go on.
	Ended    bool
	Children []ChildShard
}

// Records iterates over the records in order.
func (e SubscriptionEvent) Records() iter.Seq2[Stamp, stream.Record] {
	return records(e.Shard, e.Blocks)
}

// ShardStats are the counters of one shard since the node started, but for
// gauges, which tell what is.
type ShardStats struct {
	StreamName     string
	ID             stream.ShardID
	Open           bool
	InRecords      uint64
	InBytes        uint64
	OutRecords     uint64
	OutBytes       uint64
	WriteThrottles uint64 // records refused
	ReadThrottles  uint64 // calls refused
	IteratorAgeMs  int64  // gauge: how far behind the last read of the shard was
}

func records(shard ShardInfo, blocks []ReadBlock) iter.Seq2[Stamp, stream.Record] {
	return func(yield func(Stamp, stream.Record) bool) {
		for _, rb := range blocks {
			arrived := rb.Block.Header().ArrivedMs
			s := Stamp{ArrivedMs: arrived, Sequence: stream.Sequence{
				CreatedSec: shard.Start.CreatedSec, ArrivedSec: arrived / 1000, Shard: shard.ID.Index,
			}}
			for p, r := range rb.Block.From(rb.First) {
				if p > rb.Last {
					break
				}
				s.Sequence.Position = p
				if !yield(s, r) {
					return
				}
			}
		}
	}
}
