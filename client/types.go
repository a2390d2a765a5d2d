package client

import (
	"time"

	"github.com/runnel-io/runnel/stream"
)

// Status is where a stream is in its life.
type Status string

// Statuses of a stream. Records can be put and read in ACTIVE and UPDATING.
const (
	StatusCreating Status = "CREATING"
	StatusActive   Status = "ACTIVE"
	StatusUpdating Status = "UPDATING"
	StatusDeleting Status = "DELETING"
)

// StreamInfo describes a stream.
type StreamInfo struct {
	ID             stream.StreamID
	Name           string
	ARN            string
	Status         Status
	Mode           string // PROVISIONED
	Created        time.Time
	RetentionHours int
	OpenShards     int
	MaxRecordBytes int // data and key of one record
}

// ShardInfo describes a shard.
type ShardInfo struct {
	ID             string // for example shardId-000000000007
	Index          uint32
	Range          stream.HashRange
	Start          stream.Sequence
	End            stream.Sequence // of a closed shard
	Closed         bool
	Parent         string // "" if none
	AdjacentParent string // "" if none
	Opened         time.Time
	ClosedAt       time.Time // zero while open
}

// FilterKind chooses what ListShards lists.
type FilterKind uint8

// The filters of ListShards. What the At filters list tiles the hash space.
const (
	FilterNone FilterKind = iota // every shard that has not expired
	FilterAfterShard
	FilterAtTrimHorizon
	FilterFromTrimHorizon
	FilterAtLatest
	FilterAtTimestamp
	FilterFromTimestamp
)

// ShardFilter is what ListShards lists; the zero value lists all.
type ShardFilter struct {
	Kind  FilterKind
	Shard string    // for FilterAfterShard
	Time  time.Time // for the filters with a timestamp
}

// Record is a record to be put.
type Record struct {
	// PartitionKey has 1 to 256 characters. Records of one key go to one shard, in order.
	PartitionKey string
	// ExplicitHashKey overrides the MD5 of the key.
	ExplicitHashKey *stream.HashKey
	// Data is neither modified nor kept after the call.
	Data []byte
}

// Size is what the limits count: data and key.
func (r Record) Size() int { return len(r.PartitionKey) + len(r.Data) }

// PutResult is what became of one record. If Err is nil it is stored and synced.
type PutResult struct {
	Sequence stream.Sequence
	Err      error // a *stream.Error
}

// Shard is the id of the shard that has the record.
func (r PutResult) Shard() string { return stream.ShardName(r.Sequence.Shard) }

// StoredRecord is a record as it was read. Key and Data alias a larger buffer
// that is never reused; a program that keeps few of many records copies them.
type StoredRecord struct {
	Sequence     stream.Sequence
	PartitionKey string
	Data         []byte
	ArrivedMs    int64 // milliseconds since 1970
}

// Arrived is when the server took the record.
func (r StoredRecord) Arrived() time.Time { return time.UnixMilli(r.ArrivedMs) }

// Child is a shard that follows a closed one.
type Child struct {
	ID      string
	Parents []string // one after a split, two after a merge
	Range   stream.HashRange
}
