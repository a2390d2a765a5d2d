package metadata

import (
	"testing"

	"github.com/runnel-io/runnel/stream"
)

// A merge orders after both parents, also if only the upper one is ahead of the clock.
func TestMergeOrdersAfterBothParents(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	w.create("m", 2)
	for range 3 { // the lowest part of the upper half gets ahead by three
		s := w.stream("m")
		low := s.OpenShards()[1]
		w.must(&SplitShard{Name: "m", Shard: low.ID.Index, At: low.Range.Middle(), Groups: [2]uint32{1, 1}})
		w.settle("m")
	}
	s := w.stream("m")
	lower, upper := s.OpenShards()[0], s.OpenShards()[1]
	w.must(&MergeShards{Name: "m", Shard: lower.ID.Index, Adjacent: upper.ID.Index, Group: 1})
	w.settle("m")
	child := w.stream("m").OpenShards()[0]
	if child.CreatedSec <= upper.CreatedSec || upper.CreatedSec != lower.CreatedSec+3 {
		t.Fatalf("parents of seconds %d and %d, child of %d", lower.CreatedSec, upper.CreatedSec, child.CreatedSec)
	}
	last := stream.EndingSequence(upper.CreatedSec, upper.ClosedMs/1000, upper.ID.Index)
	if first := stream.StartingSequence(child.CreatedSec, child.ID.Index); first.Compare(last) <= 0 {
		t.Fatalf("%v does not follow %v", first, last)
	}
}
