package placement

import "container/heap"

// Group is a data group that may take shards, and how many it has.
type Group struct {
	ID     uint32
	Shards int
}

// Spread chooses a group for each of n new shards, each time the one with the
// least load, so that the shards of one stream are spread too. Of equally
// loaded groups the one named first is taken. It returns nil without groups.
func Spread(groups []Group, n int) []uint32 {
	if len(groups) == 0 || n <= 0 {
		return nil
	}
	h := make(loads, len(groups))
	for i, g := range groups {
		h[i] = load{Group: g, order: i}
	}
	heap.Init(&h)
	out := make([]uint32, n)
	for i := range out {
		out[i] = h[0].ID
		h[0].Shards++
		heap.Fix(&h, 0)
	}
	return out
}

type load struct {
	Group
	order int
}

type loads []load

func (h loads) Len() int { return len(h) }
func (h loads) Less(i, j int) bool {
	if h[i].Shards != h[j].Shards {
		return h[i].Shards < h[j].Shards
	}
	return h[i].order < h[j].order
}
func (h loads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *loads) Push(x any)   { *h = append(*h, x.(load)) }
func (h *loads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
