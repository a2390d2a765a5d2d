package shardlog

import (
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

const rowVersion = 1

// groupState is the group's one row.
type groupState struct {
	next         stream.Position // the least position that was never given
	timeMs       int64           // group time: the latest stamp
	segmentBytes uint64          // at which a segment is full
	hash         uint64          // of everything applied
	entries      uint64          // applied
	current      [classes]uint64 // the segment of each class that takes blocks, 0 = none yet
}

const defaultSegmentBytes = 8 << 20

func (g groupState) encode() []byte {
	dst := append(make([]byte, 0, 64), rowVersion)
	dst = putUint(dst, uint64(g.next))
	dst = putUint(dst, g.timeMs)
	dst = putUint(dst, g.segmentBytes)
	dst = append(dst, byte(g.hash>>56), byte(g.hash>>48), byte(g.hash>>40), byte(g.hash>>32),
		byte(g.hash>>24), byte(g.hash>>16), byte(g.hash>>8), byte(g.hash))
	dst = putUint(dst, g.entries)
	for _, s := range g.current {
		dst = putUint(dst, s)
	}
	return dst
}

func decodeGroup(b []byte) (groupState, error) {
	r := &reader{b: b}
	if err := r.version("group row"); err != nil {
		return groupState{}, err
	}
	g := groupState{next: r.position(), timeMs: r.int(), segmentBytes: r.uint(), hash: r.fixed64(), entries: r.uint()}
	for i := range g.current {
		g.current[i] = r.uint()
	}
	return g, r.end("group row")
}

func (r *reader) version(what string) error {
	if v := r.byte(); r.bad || v != rowVersion {
		return fmt.Errorf("%s: version %d is unknown", what, v)
	}
	return nil
}

// shardRow is a shard's row: what is told of it and where its last block is.
type shardRow struct {
	ShardState
	last SegmentID // that holds its last block, zero if it never had one
}

func (s shardRow) encode() []byte {
	dst := append(make([]byte, 0, 112), rowVersion, byte(s.Phase))
	dst = putSpec(dst, s.ShardSpec)
	dst = putUint(dst, s.FloorMs)
	dst = putUint(dst, s.OpenedMs)
	dst = putUint(dst, s.ClosedMs)
	dst = putUint(dst, s.MetaIndex)
	dst = putUint(dst, uint64(s.FirstPosition))
	dst = putUint(dst, uint64(s.LastPosition))
	dst = putUint(dst, uint64(s.EndPosition))
	dst = putUint(dst, s.LastArrivalMs)
	dst = putUint(dst, s.Records)
	dst = putUint(dst, s.Bytes)
	return putUint(append(dst, s.last.Class), s.last.Segment)
}

func decodeShard(b []byte) (shardRow, error) {
	r := &reader{b: b}
	if err := r.version("shard row"); err != nil {
		return shardRow{}, err
	}
	s := shardRow{ShardState: ShardState{
		Phase: Phase(r.byte()), ShardSpec: r.spec(), FloorMs: r.int(), OpenedMs: r.int(), ClosedMs: r.int(), MetaIndex: r.uint(),
		FirstPosition: r.position(), LastPosition: r.position(), EndPosition: r.position(),
		LastArrivalMs: r.int(), Records: r.uint(), Bytes: r.uint(),
	}}
	s.last = SegmentID{Class: r.byte(), Segment: r.uint()}
	if s.Phase < Prepared || s.Phase > Deleting {
		r.bad = true
	}
	return s, r.end("shard row")
}

func (s SegmentInfo) encode() []byte {
	dst := append(make([]byte, 0, 48), rowVersion)
	dst = putUint(dst, uint64(s.FirstPosition))
	dst = putUint(dst, uint64(s.LastPosition))
	dst = putUint(dst, s.FirstArrivalMs)
	dst = putUint(dst, s.LastArrivalMs)
	dst = putUint(dst, s.Bytes)
	return putUint(dst, s.Blocks)
}

func decodeSegment(id SegmentID, b []byte) (SegmentInfo, error) {
	r := &reader{b: b}
	if err := r.version("segment row"); err != nil {
		return SegmentInfo{}, err
	}
	s := SegmentInfo{
		SegmentID: id, FirstPosition: r.position(), LastPosition: r.position(),
		FirstArrivalMs: r.int(), LastArrivalMs: r.int(), Bytes: r.uint(), Blocks: r.uint(),
	}
	return s, r.end("segment row")
}

// run is a stretch of one shard's blocks within one segment: the value of a
// shard-segment row, whose key holds the shard and the first position.
type run struct {
	first          stream.Position
	segment        SegmentID
	firstArrivalMs int64
}

func (x run) encode() []byte {
	dst := append(make([]byte, 0, 24), rowVersion, x.segment.Class)
	return putUint(putUint(dst, x.segment.Segment), x.firstArrivalMs)
}

func decodeRun(first stream.Position, b []byte) (run, error) {
	r := &reader{b: b}
	if err := r.version("shard-segment row"); err != nil {
		return run{}, err
	}
	x := run{first: first, segment: SegmentID{Class: r.byte(), Segment: r.uint()}, firstArrivalMs: r.int()}
	return x, r.end("shard-segment row")
}

// A segment-shard row lists the first positions of the shard's runs in the
// segment: one, or more after its retention class went away and came back.
func encodeRuns(firsts []stream.Position) []byte {
	dst := append(make([]byte, 0, 16), rowVersion)
	dst = putUint(dst, len(firsts))
	for _, p := range firsts {
		dst = putUint(dst, uint64(p))
	}
	return dst
}

func decodeRuns(b []byte) ([]stream.Position, error) {
	r := &reader{b: b}
	if err := r.version("segment-shard row"); err != nil {
		return nil, err
	}
	firsts := make([]stream.Position, r.count(1))
	for i := range firsts {
		firsts[i] = r.position()
	}
	return firsts, r.end("segment-shard row")
}
