package shardlog

import "github.com/runnel-io/runnel/stream"

// Stamp is what the leader puts on every command: its term, against which
// Apply holds the term of the entry, and its time, which never goes back.
type Stamp struct {
	Term uint64
	Ms   int64
}

// Command is what an entry asks of the group: Append, Prepare, OpenShards,
// CloseShards, SetRetention, DeleteShards, Purge, Trim or Configure.
// All may be repeated: the second time changes nothing and answers the same.
type Command interface {
	kind() kind
	encode(dst []byte) []byte
}

// Append stores the blocks that are the entry's rows. Its answer is nil if all
// blocks were taken, else []error with one element per row, nil for a taken one,
// or an error if the whole entry was refused.
type Append struct{}

// Prepare makes shards known. They take no records before OpenShards.
// Answer: Answer with one element per shard.
type Prepare struct{ Shards []ShardSpec }

// Opening names a shard to open and the least arrival stamp of its records:
// for a child the closing time of its parents.
type Opening struct {
	ID             stream.ShardID
	ArrivalFloorMs int64
}

// OpenShards lets prepared shards take records. A shard that is closed already
// stays closed. Answer: Answer with one element per shard.
type OpenShards struct{ Shards []Opening }

// CloseShards ends shards for ever. MetaIndex is given to callers that meet
// them closed. Answer: Answer with one element per shard, which tells
// EndPosition and ClosedMs.
type CloseShards struct {
	Shards    []stream.ShardID
	MetaIndex uint64
}

// SetRetention changes how long records are kept. What had expired before
// stays hidden. Answer: Answer with one element per shard.
type SetRetention struct {
	Shards []stream.ShardID
	Hours  uint32
}

// DeleteShards takes shards away from readers and writers at once; Purge and
// Trim give the space back. Unknown shards are answered without an error.
type DeleteShards struct{ Shards []stream.ShardID }

// Purge removes the blocks of one deleted shard from at most Segments
// segments. Answer.More tells that there are more.
type Purge struct {
	Shard    stream.ShardID
	Segments uint32
}

// Trim removes whole segments whose every record has expired; without any it
// only advances the group's time. Answer.Trimmed counts what went; segments
// that may not go yet are left (Answer.Refused counts them), and Answer.More
// tells that the command was too much work to be done whole.
type Trim struct{ Segments []SegmentID }

// Configure changes the size at which the group begins a new segment.
type Configure struct{ SegmentBytes uint64 }

// Answer is the result of every command but Append.
type Answer struct {
	Shards  []ShardAnswer // in the order of the command
	Trimmed int
	Refused int
	More    bool
}

// ShardAnswer is what became of one shard.
type ShardAnswer struct {
	State ShardState // zero if Err tells that the group does not know it
	Err   error
}
