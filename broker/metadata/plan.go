package metadata

import (
	"sort"

	"github.com/runnel-io/runnel/stream"
)

// Plan is the next round on the way from the open shards (by hash range) to
// the target ranges, which tile the space: first splits, until no shard
// crosses a border of the target, then merges of neighbours. A shard takes part
// in at most one change a round, so that every closed shard has children. An
// empty plan means that the ranges are reached. Group of the children is not set.
func Plan(open []*Shard, target []stream.HashRange) []Child {
	if splits := planSplits(open, target); len(splits) > 0 {
		return splits
	}
	return planMerges(open, target)
}

// planSplits cuts each shard that holds inner borders of the target at the
// middle one of them, so that many borders take few rounds.
func planSplits(open []*Shard, target []stream.HashRange) []Child {
	var out []Child
	for _, sh := range open {
		// Borders are the starts of target ranges; inner ones lie above the shard's start.
		lo := sort.Search(len(target), func(i int) bool { return target[i].Start.Compare(sh.Range.Start) > 0 })
		hi := sort.Search(len(target), func(i int) bool { return target[i].Start.Compare(sh.Range.End) > 0 })
		if lo == hi {
			continue
		}
		at := target[(lo+hi)/2].Start
		out = append(out,
			Child{Range: stream.HashRange{Start: sh.Range.Start, End: at.Prev()}, Parent: sh.ID.Index, Adjacent: -1},
			Child{Range: stream.HashRange{Start: at, End: sh.Range.End}, Parent: sh.ID.Index, Adjacent: -1})
	}
	return out
}

// planMerges joins neighbours that lie in one range of the target, pair by pair.
func planMerges(open []*Shard, target []stream.HashRange) []Child {
	var out []Child
	for t, i := 0, 0; i+1 < len(open); {
		for target[t].End.Compare(open[i].Range.Start) < 0 {
			t++
		}
		a, b := open[i], open[i+1]
		if !target[t].Contains(b.Range.End) {
			i++
			continue
		}
		out = append(out, Child{
			Range:  stream.HashRange{Start: a.Range.Start, End: b.Range.End},
			Parent: a.ID.Index, Adjacent: int64(b.ID.Index),
		})
		i += 2
	}
	return out
}

// reached tells whether the open shards are exactly the target ranges.
func reached(open []*Shard, target []stream.HashRange) bool {
	if len(open) != len(target) {
		return false
	}
	for i, sh := range open {
		if sh.Range != target[i] {
			return false
		}
	}
	return true
}
