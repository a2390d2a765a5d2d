package placement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSpreadTakesTheLeastLoaded(t *testing.T) {
	got := Spread([]Group{{1, 2}, {2, 0}, {3, 1}}, 6)
	if want := []uint32{2, 2, 3, 1, 2, 3}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if got := Spread(nil, 3); got != nil {
		t.Fatalf("without groups: %v", got)
	}
}

// However the load was before, new shards never widen the gap between the
// fullest and the emptiest group beyond one shard once they are level.
func TestSpreadLevels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loads := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 9).Draw(t, "loads")
		n := rapid.IntRange(0, 500).Draw(t, "n")
		groups := make([]Group, len(loads))
		sum := n
		for i, l := range loads {
			groups[i] = Group{ID: uint32(i + 1), Shards: l}
			sum += l
		}
		after := slices.Clone(loads)
		for _, g := range Spread(groups, n) {
			after[g-1]++
		}
		level := slices.Max(loads) <= sum/len(loads)
		if gap := slices.Max(after) - slices.Min(after); level && gap > 1 {
			t.Fatalf("loads %v after %d more: %v", loads, n, after)
		}
	})
}
