package metadata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/stream"
)

func TestSplitAndMerge(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	w.create("s", 2)
	half := stream.EvenRanges(2)
	bad := half[0].Start.Next()
	text := w.refused(&SplitShard{Name: "s", Shard: 0, At: bad, Groups: [2]uint32{1, 1}}, stream.CodeInvalidArgument)
	want := fmt.Sprintf("NewStartingHashKey 1 used in SplitShard() on shard shardId-000000000000 in stream s under account 123456789012 is not both "+
		"greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey %s.", half[0].End)
	if text != want {
		t.Fatal(text)
	}
	if text := w.refused(&SplitShard{Name: "s", Shard: 7}, stream.CodeNotFound); text !=
		"Could not find shard shardId-000000000007 in stream s under account 123456789012." {
		t.Fatal(text)
	}
	w.must(&SplitShard{Name: "s", Shard: 0, At: half[0].Middle(), Groups: [2]uint32{1, 1}})
	if s := w.stream("s"); s.Status != Updating || len(s.OpenShards()) != 2 {
		t.Fatal("the map changed before the parents were closed")
	}
	w.refused(&MergeShards{Name: "s", Shard: 0, Adjacent: 1, Group: 1}, stream.CodeInUse)
	w.settle("s")
	s := w.stream("s")
	if len(s.OpenShards()) != 3 || s.Status != Active {
		t.Fatalf("%d open", len(s.OpenShards()))
	}
	if text := w.refused(&SplitShard{Name: "s", Shard: 0, At: half[0].Middle(), Groups: [2]uint32{1, 1}}, stream.CodeInvalidArgument); !strings.Contains(text, "has already been merged or split") {
		t.Fatal(text)
	}
	if text := w.refused(&MergeShards{Name: "s", Shard: 3, Adjacent: 2, Group: 1}, stream.CodeInvalidArgument); text !=
		"Shards shardId-000000000003 and shardId-000000000002 in stream s under account 123456789012 are not an adjacent pair of shards eligible for merging" {
		t.Fatal(text)
	}
	w.must(&MergeShards{Name: "s", Shard: 3, Adjacent: 1, Group: 1})
	w.settle("s")
	child := w.stream("s").Children(1)
	if len(child) != 1 || child[0].Parent != 3 || child[0].Adjacent != 1 || child[0].ID.Index != 4 {
		t.Fatalf("%+v", child)
	}
}

func TestUpdateShardCountBounds(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	w.create("u", 5)
	for _, bad := range []uint32{2, 11} {
		w.refused(&UpdateShardCount{Name: "u", Target: bad}, stream.CodeLimitExceeded)
	}
	for _, target := range []uint32{3, 6, 12, 9, 9} {
		before := len(w.stream("u").OpenShards())
		if a := w.must(&UpdateShardCount{Name: "u", Target: target}).(*ScaleAnswer); a.Current != before {
			t.Fatalf("current %d, want %d", a.Current, before)
		}
		w.settle("u")
		if !reached(w.stream("u").OpenShards(), stream.EvenRanges(int(target))) {
			t.Fatalf("target %d is not reached", target)
		}
	}
}

func TestLateFlipAndStaleCommands(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	s := w.create("l", 1)
	w.must(&SplitShard{Name: "l", Shard: 0, At: stream.HashKey{Hi: 1 << 63}, Groups: [2]uint32{1, 1}})
	// The group's clock is ahead of the metadata's.
	flip := &Flip{Stream: s.ID, First: 1, Endings: []Ending{{Shard: 0, End: 3, ClosedMs: w.ms + 700}}}
	w.refused(&Flip{Stream: s.ID, First: 1}, stream.CodeInvalidArgument)
	w.refused(&Flip{Stream: s.ID, First: 2, Endings: flip.Endings}, stream.CodeInvalidArgument)
	w.refused(&Opened{Stream: s.ID, First: 1}, stream.CodeInvalidArgument)
	w.must(flip)
	w.refused(flip, stream.CodeInvalidArgument)
	w.refused(&PlanRound{Stream: s.ID, First: 3, Children: []Child{{Group: 1}}}, stream.CodeInvalidArgument)
	w.refused(&RetentionDone{Stream: s.ID, Hours: 24}, stream.CodeInvalidArgument)
	w.refused(&Removed{Stream: s.ID}, stream.CodeInvalidArgument)
	parent, _ := w.stream("l").Shard(0)
	if parent.ClosedMs != w.ms+700 || w.m.TimeMs() != w.ms+700 {
		t.Fatal("the map flipped before the parent took its last record")
	}
	w.must(&Opened{Stream: s.ID, First: 1})
	w.refused(&Opened{Stream: s.ID, First: 1}, stream.CodeInvalidArgument)
}

// shards with these starts, tiling the space.
func tiling(starts []stream.HashKey) []*Shard {
	slices.SortFunc(starts, stream.HashKey.Compare)
	starts = slices.Compact(starts)
	var out []*Shard
	for i, at := range starts {
		end := stream.MaxHashKey
		if i+1 < len(starts) {
			end = starts[i+1].Prev()
		}
		out = append(out, &Shard{ID: stream.ShardID{Stream: 1, Index: uint32(i)}, Range: stream.HashRange{Start: at, End: end}, Phase: Open})
	}
	return out
}

// From any tiling, rounds of splits and merges lead to the even ranges; in each
// round a shard is changed at most once, and what is cut off is covered.
func TestPlanReachesEvenRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		starts := []stream.HashKey{{}}
		for range rapid.IntRange(0, 40).Draw(t, "cuts") {
			// Few distinct values, so that tiny ranges and hits on borders occur.
			starts = append(starts, stream.HashKey{
				Hi: rapid.SampledFrom([]uint64{0, 1 << 62, 1 << 63, 1<<64 - 1, 0x5555555555555555}).Draw(t, "hi"),
				Lo: rapid.SampledFrom([]uint64{0, 1, 2, 0x5555555555555555, 1<<64 - 2}).Draw(t, "lo"),
			})
		}
		open := tiling(starts)
		target := stream.EvenRanges(rapid.IntRange(1, 60).Draw(t, "target"))
		next := uint32(len(open))
		for round := 0; ; round++ {
			if round > 20 {
				t.Fatalf("no end in sight")
			}
			children := Plan(open, target)
			if len(children) == 0 {
				break
			}
			open = play(t, open, children, &next)
		}
		if !reached(open, target) {
			t.Fatalf("ended with %d shards", len(open))
		}
	})
}

func play(t *rapid.T, open []*Shard, children []Child, next *uint32) []*Shard {
	closed := map[uint32]int{}
	for _, c := range children {
		closed[c.Parent]++
		if c.Adjacent >= 0 {
			closed[uint32(c.Adjacent)]++
		}
	}
	s := &Stream{}
	for _, sh := range open {
		n := closed[sh.ID.Index]
		if n > 2 {
			t.Fatalf("shard %d has %d children", sh.ID.Index, n)
		}
		if n == 0 {
			s.shards = append(s.shards, sh)
		}
	}
	for _, c := range children {
		s.shards = append(s.shards, &Shard{ID: stream.ShardID{Stream: 1, Index: *next}, Range: c.Range, Phase: Open})
		*next++
	}
	s.remap()
	if !s.tiles() {
		t.Fatalf("the round does not tile")
	}
	return s.open
}

func TestRouteFindsTheOneShard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Stream{}
		for i, r := range stream.EvenRanges(rapid.IntRange(1, 50).Draw(t, "n")) {
			s.open = append(s.open, &Shard{ID: stream.ShardID{Index: uint32(i)}, Range: r})
		}
		edge := s.open[rapid.IntRange(0, len(s.open)-1).Draw(t, "i")].Range
		k := rapid.SampledFrom([]stream.HashKey{edge.Start, edge.End, {Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}}).Draw(t, "k")
		if i := s.Route(k); !s.open[i].Range.Contains(k) {
			t.Fatalf("%v routed to %v", k, s.open[i].Range)
		}
	})
}
