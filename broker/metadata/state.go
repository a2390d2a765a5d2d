package metadata

import (
	"fmt"
	"slices"
	"sort"

	"github.com/runnel-io/runnel/stream"
)

// Status is where a stream is in its life.
type Status uint8

// Statuses of a stream.
const (
	Creating Status = iota + 1
	Active
	Updating
	Deleting
)

func (s Status) String() string {
	switch s {
	case Creating:
		return "CREATING"
	case Active:
		return "ACTIVE"
	case Updating:
		return "UPDATING"
	case Deleting:
		return "DELETING"
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// Phase is where a shard is in its life. It only moves forward.
type Phase uint8

// Phases of a shard. The open shards of a stream tile the hash space in every
// observable state.
const (
	Planned Phase = iota + 1 // not in the map yet: its group is being told
	Open                     // in the map
	Closed                   // succeeded by its children, readable until its records expire
)

func (p Phase) String() string {
	switch p {
	case Planned:
		return "planned"
	case Open:
		return "open"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// OpKind is what is being done to a stream.
type OpKind uint8

// Operations. A stream has at most one.
const (
	OpCreate OpKind = iota + 1
	OpDelete
	OpReshard
	OpRetention
)

// Step is how far an operation is. It is what a reconciler that starts afresh
// has to do first; everything it may have done before may be done again.
type Step uint8

// Steps of operations.
const (
	// StepOpen: the shards of the round are in the map (create: will be); their
	// groups have to prepare and open them.
	StepOpen Step = iota + 1
	// StepPlan: the next round of a change of the shard count has to be planned.
	StepPlan
	// StepClose: children are planned. Their groups have to prepare them, then
	// the parents' groups close these, then the map flips.
	StepClose
	// StepData: the data groups have to be told (retention, deletion).
	StepData
	// StepFinish: all is done, the stream waits for its life-cycle delay.
	StepFinish
)

// Operation is work that a stream waits for.
type Operation struct {
	Kind  OpKind
	Step  Step
	DueMs int64 // the operation does not end earlier
	// Target is the shard count of UpdateShardCount, 0 for a single split or merge.
	Target uint32
	// First and Count are the indexes of the round's children.
	First, Count uint32
	Hours        uint32 // the retention to come
}

// Shard is a shard as the map knows it.
type Shard struct {
	ID         stream.ShardID
	Range      stream.HashRange
	Group      uint32
	Phase      Phase
	CreatedSec int64 // orders sequence numbers, may run ahead of the clock
	OpenedMs   int64 // when it entered the map
	ClosedMs   int64 // when it left it: the OpenedMs of its children
	End        stream.Position
	Parent     int64 // index, -1 for none
	Adjacent   int64 // index of a merge's second parent, -1 for none
}

// Stream is a stream at one metadata index. It is immutable: a change makes a
// new one and closes the channel of Superseded.
type Stream struct {
	ID             stream.StreamID
	Name           string
	Status         Status
	CreatedMs      int64
	CreatedSec     int64 // of its first shards
	RetentionHours uint32
	FloorMs        int64 // what is older had expired before the retention was raised
	NextShard      uint32
	Op             *Operation // nil if nothing is to be done
	ScaledMs       []int64    // times of UpdateShardCount calls within the last day

	shards     []*Shard // by index; forgotten ones are absent
	open       []*Shard // those in the map, by hash range
	superseded chan struct{}
}

// Superseded is closed when a newer state of the stream is published.
func (s *Stream) Superseded() <-chan struct{} { return s.superseded }

// Shards are all shards of the stream by index, planned ones too. The caller
// must not modify it.
func (s *Stream) Shards() []*Shard { return s.shards }

// OpenShards are the shards in the map by hash range. The caller must not modify it.
func (s *Stream) OpenShards() []*Shard { return s.open }

// Shard finds a shard by index.
func (s *Stream) Shard(index uint32) (*Shard, bool) {
	i, ok := s.find(index)
	if !ok {
		return nil, false
	}
	return s.shards[i], true
}

func (s *Stream) find(index uint32) (int, bool) {
	// Until shards are forgotten, the index is the place.
	if int(index) < len(s.shards) && s.shards[index].ID.Index == index {
		return int(index), true
	}
	return slices.BinarySearchFunc(s.shards, index, func(sh *Shard, i uint32) int {
		return int(int64(sh.ID.Index) - int64(i))
	})
}

// Route is the place in OpenShards of the shard that holds k, -1 if no shard is open.
func (s *Stream) Route(k stream.HashKey) int {
	lo, hi := 0, len(s.open)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.open[mid].Range.End.Compare(k) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(s.open) {
		return -1
	}
	return lo
}

// Children are the shards in the map, now or before, that succeeded a closed one.
func (s *Stream) Children(index uint32) []*Shard {
	var out []*Shard
	for _, sh := range s.shards {
		if sh.Phase != Planned && (sh.Parent == int64(index) || sh.Adjacent == int64(index)) {
			out = append(out, sh)
		}
	}
	return out
}

// Round are the children of the operation's round.
func (s *Stream) Round() []*Shard {
	if s.Op == nil {
		return nil
	}
	i, _ := s.find(s.Op.First)
	return s.shards[i:min(i+int(s.Op.Count), len(s.shards))]
}

// HorizonMs is the arrival before which records are expired at time nowMs. It
// is never before the stream's creation.
func (s *Stream) HorizonMs(nowMs int64) int64 {
	return max(nowMs-int64(s.RetentionHours)*msPerHour, s.FloorMs, s.CreatedMs)
}

const (
	msPerHour = 3_600_000
	msPerDay  = 24 * msPerHour
)

// clone copies a stream so that the copy can be changed. Shards are shared; a
// shard is changed by replacing it.
func (s *Stream) clone() *Stream {
	c := *s
	c.shards = slices.Clone(s.shards)
	c.superseded = make(chan struct{})
	if s.Op != nil {
		op := *s.Op
		c.Op = &op
	}
	return &c
}

// remap rebuilds the map after shards have changed phase.
func (s *Stream) remap() {
	open := make([]*Shard, 0, len(s.open)+1)
	for _, sh := range s.shards {
		if sh.Phase == Open {
			open = append(open, sh)
		}
	}
	sort.Slice(open, func(i, j int) bool { return open[i].Range.Start.Compare(open[j].Range.Start) < 0 })
	s.open = open
}

// charged is how many shards of the account's limit the stream takes: those it
// has or, if more, those it is about to have.
func (s *Stream) charged() int {
	n := len(s.open)
	if s.Op == nil {
		return n
	}
	switch s.Op.Kind {
	case OpCreate:
		return len(s.shards)
	case OpReshard:
		if s.Op.Target == 0 && s.Op.Step == StepClose && s.Op.Count == 2 {
			return n + 1 // a split on its way
		}
		return max(n, int(s.Op.Target))
	}
	return n
}

// lastSec is the greatest creation second among the stream's shards.
func (s *Stream) lastSec() int64 {
	sec := s.CreatedSec
	for _, sh := range s.shards {
		sec = max(sec, sh.CreatedSec)
	}
	return sec
}

// tiles tells whether the open shards cover the hash space exactly once.
func (s *Stream) tiles() bool {
	if len(s.open) == 0 || s.open[0].Range.Start != (stream.HashKey{}) {
		return false
	}
	for i := 1; i < len(s.open); i++ {
		prev, cur := s.open[i-1].Range, s.open[i].Range
		if prev.End.Compare(cur.Start) >= 0 || prev.End.Next() != cur.Start {
			return false
		}
	}
	return s.open[len(s.open)-1].Range.End == stream.MaxHashKey
}
