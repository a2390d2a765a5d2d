package key

import "bytes"

// TableLimit tells where a table that begins at start must end at the latest;
// nil means that there is no limit. Tables never reach over the end of a
// space, and in the space of blocks never over the end of a segment. So a
// segment that is trimmed drops whole tables, and new segments overlap no table
// of an old one, which lets them move down the tree without being rewritten.
func TableLimit(start []byte) []byte {
	const segmentPrefix = 1 + 4 + 1 + 8
	switch {
	case len(start) == 0:
		return nil
	case start[0] == spaceBlock && len(start) >= segmentPrefix:
		_, hi := bounds(bytes.Clone(start[:segmentPrefix]))
		return hi
	default:
		_, hi := bounds([]byte{start[0]})
		return hi
	}
}
