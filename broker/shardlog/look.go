package shardlog

// RunSegment reads the value of a shard-segment row: the segment in which the
// blocks of the shard lie from the position in the row's key on. It is for those
// who look at a stopped node's data; Read does the same by itself.
func RunSegment(value []byte) (SegmentID, error) {
	x, err := decodeRun(0, value)
	return x.segment, err
}
