package metadata

import "github.com/runnel-io/runnel/stream"

// Command is a change that is asked for. Each has a kind and an encoding; see
// commandcodec.go. Ms, which every command has, is the leader's time.
type Command interface {
	kind() kind
	encode(w *writer)
	decode(r *reader)
}

// Limits are the limits that the leader's configuration sets. They come in the
// command so that every replica decides alike. 0 = no limit.
type Limits struct {
	Shards       uint32 // of the account
	Creating     uint32 // streams CREATING at once
	ScalesPerDay uint32 // UpdateShardCount calls for one stream
}

// Init founds the cluster: data groups 1..Groups, none of them bootstrapped
// yet. It changes nothing if there is one already.
type Init struct {
	Cluster [16]byte
	Groups  uint32
	Key     [32]byte // the first key of tokens
}

// GroupReady says that a data group has been bootstrapped.
type GroupReady struct{ Group uint32 }

// RotateKey makes Key the current key of tokens if ID is the next one; the
// current one becomes the previous, whose tokens stay good.
type RotateKey struct{ Key stream.TokenKey }

// CreateStream makes a stream CREATING with even shards, one for each of Groups.
type CreateStream struct {
	Name           string
	RetentionHours uint32
	Groups         []uint32
	DueMs          int64
	Limits         Limits
}

// DeleteStream makes a stream DELETING.
type DeleteStream struct {
	Name  string
	DueMs int64
}

// SplitShard plans two children and makes the stream UPDATING.
type SplitShard struct {
	Name   string
	Shard  uint32
	At     stream.HashKey
	Groups [2]uint32
	DueMs  int64
	Limits Limits
}

// MergeShards plans one child and makes the stream UPDATING.
type MergeShards struct {
	Name            string
	Shard, Adjacent uint32
	Group           uint32
	DueMs           int64
}

// UpdateShardCount makes the stream UPDATING; rounds are planned afterwards.
// Its answer is a ScaleAnswer.
type UpdateShardCount struct {
	Name   string
	Target uint32
	DueMs  int64
	Limits Limits
}

// ScaleAnswer is the answer of UpdateShardCount.
type ScaleAnswer struct{ Current int }

// SetRetention makes the stream UPDATING unless it has that retention already.
// Its answer is a RetentionAnswer.
type SetRetention struct {
	Name        string
	Hours       uint32
	MayIncrease bool
	MayDecrease bool
	DueMs       int64
}

// RetentionAnswer is the answer of SetRetention.
type RetentionAnswer struct {
	Stream stream.StreamID
	Begun  bool // false: nothing is to be done
}

// Child is a shard to plan.
type Child struct {
	Range    stream.HashRange
	Parent   uint32
	Adjacent int64 // -1 for none
	Group    uint32
}

// PlanRound plans the children of the next round of a change of the shard count.
type PlanRound struct {
	Stream   stream.StreamID
	First    uint32 // the index the first child will have: holds the command against the state
	Children []Child
}

// Ending is how a parent's group answered Close.
type Ending struct {
	Shard    uint32
	End      stream.Position
	ClosedMs int64
}

// Flip takes the round's parents out of the map and its children into it, at once.
type Flip struct {
	Stream  stream.StreamID
	First   uint32
	Endings []Ending // one for each parent, by shard
}

// Opened says that the groups have opened the shards of the round.
type Opened struct {
	Stream stream.StreamID
	First  uint32
}

// RetentionDone says that the data groups keep the stream's records that long.
type RetentionDone struct {
	Stream stream.StreamID
	Hours  uint32
}

// Finish ends an operation whose time has come.
type Finish struct{ Stream stream.StreamID }

// Removed says that the data groups have deleted all shards of a stream.
type Removed struct{ Stream stream.StreamID }

// Forget drops closed shards whose records have expired and whose groups have
// deleted them.
type Forget struct {
	Stream stream.StreamID
	Shards []uint32
}
