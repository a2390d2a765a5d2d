package logstore

import "github.com/runnel-io/runnel/storage/key"

// turns notices where a segment of rows begins. A segment that comes to lie in one
// table is never written again; one that a full memtable cuts in two is merged
// later. So room is made when one begins, as much as the one before has taken
// (docs/decisions/0003-write-amplification.md).
type turns struct {
	newest [256]uint64 // segment of each class, 0 before the first
	bytes  int64       // since the last turn
}

// at looks at the rows of the next entry. If a segment begins with them, it tells
// how many bytes the one before had.
func (t *turns) at(items []item) (ended int64, begins bool) {
	bytes := int64(0)
	for _, it := range items {
		bytes += int64(len(it.key)) + int64(it.length)
		class, segment, ok := key.SegmentOf(it.key)
		if !ok || segment <= t.newest[class] {
			continue
		}
		begins = begins || t.newest[class] > 0
		t.newest[class] = segment
	}
	if begins {
		ended, t.bytes = t.bytes, 0
	}
	t.bytes += bytes
	return ended, begins
}
