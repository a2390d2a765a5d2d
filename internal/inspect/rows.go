package inspect

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// row checks one row. The logs, and the small rows of groups and of the
// metadata, were read by those to whom they belong.
func (in *inspection) row(k, v []byte) {
	if b, err := key.ParseBlock(k); err == nil {
		in.block(b, v)
		return
	}
	if id, shard, first, err := key.ParseShardSegment(k); err == nil {
		in.run(id, shard, first, v)
		return
	}
	if !known(k) {
		in.report.find(BadRow, fmt.Sprintf("row %x", k), "no row has such a key")
	}
}

func known(k []byte) bool {
	for _, parse := range []func([]byte) error{
		func(k []byte) error { _, _, err := key.ParseLog(k); return err },
		func(k []byte) error { _, _, err := key.ParseStable(k); return err },
		func(k []byte) error { _, _, err := key.ParseGroupState(k); return err },
		func(k []byte) error { _, _, err := key.ParseShard(k); return err },
		func(k []byte) error { _, _, _, err := key.ParseSegment(k); return err },
		func(k []byte) error { _, _, _, _, err := key.ParseSegmentShard(k); return err },
		func(k []byte) error { _, err := key.ParseMetaState(k); return err },
		func(k []byte) error { _, err := key.ParseMetaName(k); return err },
		func(k []byte) error { _, err := key.ParseMetaStream(k); return err },
		func(k []byte) error { _, err := key.ParseMetaShard(k); return err },
		func(k []byte) error { _, err := key.ParseNode(k); return err },
	} {
		if parse(k) == nil {
			return true
		}
	}
	return false
}

// run notes where the index says that blocks of a shard lie. These rows come
// before all blocks, in order.
func (in *inspection) run(id uint32, shard stream.ShardID, first stream.Position, v []byte) {
	segment, err := shardlog.RunSegment(v)
	if err != nil {
		in.report.find(BadRow, fmt.Sprintf("%s, index of %s of %s, position %d", groupName(id), shard.Name(), in.streamName(shard.Stream), first), "%v", err)
		return
	}
	if s := in.open(id).shards[shard]; s != nil {
		s.runs = append(s.runs, run{first, segment})
	}
}

// block checks a block against its checksum, its key, the directory and its shard.
func (in *inspection) block(k key.BlockKey, v []byte) {
	g := in.open(k.Group)
	id := shardlog.SegmentID{Class: k.Class, Segment: k.Segment}
	where := fmt.Sprintf("%s, %s of %s, position %d", segmentName(k.Group, id), k.Shard.Name(), in.streamName(k.Shard.Stream), k.First)
	b, err := stream.ParseBlock(v)
	if err != nil {
		in.report.find(BadBlock, where, "%v", err)
		return
	}
	h := b.Header()
	if h.First != k.First {
		in.report.find(BadBlock, where, "the block says that it begins at position %d", h.First)
		return
	}
	in.report.Verified.Blocks++
	in.report.Verified.Records += uint64(h.Count)
	s := g.shards[k.Shard]
	if s == nil || k.First > s.state.LastPosition {
		// Stored by the log, not yet applied; the rows of state come with that.
		in.report.Verified.Unapplied++
		g.unapplied++
		return
	}
	if seg := g.segments[id]; seg == nil {
		in.report.find(OrphanBlock, where, "the directory has no such segment")
	} else {
		seg.FoundBlocks++
		seg.FoundBytes += uint64(len(v))
	}
	if at, ok := s.leads(k.First); (!ok || at != id) && s.misled != id {
		s.misled = id
		in.report.find(BadRow, where, "the index of the shard does not lead here: readers pass the block over, and perhaps others of the segment")
	}
	in.count(s, b, where)
}

// leads tells in which segment the index finds a position.
func (s *shard) leads(to stream.Position) (shardlog.SegmentID, bool) {
	i, found := slices.BinarySearchFunc(s.runs, to, func(r run, to stream.Position) int { return cmp.Compare(r.first, to) })
	if found {
		return s.runs[i].segment, true
	}
	if i == 0 {
		return shardlog.SegmentID{}, false
	}
	return s.runs[i-1].segment, true
}

func (in *inspection) count(s *shard, b stream.Block, where string) {
	h := b.Header()
	s.found.Blocks++
	s.found.Records += uint64(h.Count)
	s.found.Bytes += h.Bytes
	if s.firstFound == 0 || h.First < s.firstFound {
		s.firstFound = h.First
	}
	// Within a class, blocks of a shard come in the order of their positions.
	if s.state.Phase != shardlog.Deleting && h.First <= s.lastFound && b.Last() > s.lastFound {
		in.report.find(OverlappingRuns, where, "its positions run into those of another block, up to %d", s.lastFound)
	}
	s.lastFound = max(s.lastFound, b.Last())
}

// conclude compares what was found with what was counted.
func (in *inspection) conclude() {
	var ids []uint32
	for id := range in.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		g := in.groups[id]
		out := Group{
			Group: id, NextPosition: uint64(g.machine.NextPosition()), TimeMs: g.machine.GroupTimeMs(), Log: logOf(g.log),
			Shards: []Shard{}, Segments: []Segment{},
		}
		if g.unapplied > g.log.Pending {
			in.report.find(OrphanBlock, groupName(id), "%d blocks lie behind what is applied, and the log has only %d to come", g.unapplied, g.log.Pending)
		}
		for _, seg := range g.order {
			out.Segments = append(out.Segments, *g.segments[seg])
		}
		for _, state := range g.machine.Shards() {
			s := g.shards[state.ID]
			in.complete(s)
			out.Shards = append(out.Shards, s.found)
		}
		in.report.Groups = append(in.report.Groups, out)
	}
}

// complete tells whether a shard has what it counted. Of one whose first records
// have been trimmed only the newest end can be told.
func (in *inspection) complete(s *shard) {
	if s.state.Phase == shardlog.Deleting || s.state.LastPosition == 0 {
		return
	}
	where := fmt.Sprintf("%s of %s", s.found.Shard, s.found.Stream)
	switch {
	case s.firstFound == s.state.FirstPosition && s.found.Records != s.state.Records:
		in.report.find(MissingRecords, where, "%d of its %d records are there", s.found.Records, s.state.Records)
	case s.found.Records > 0 && s.lastFound != s.state.LastPosition:
		in.report.find(MissingRecords, where, "its last record is at position %d and the newest found at %d", s.state.LastPosition, s.lastFound)
	case s.found.Records == 0 && in.keeps(s.state):
		in.report.find(MissingRecords, where, "none of its %d records is there", s.state.Records)
	}
}

// keeps tells whether the newest records of the shard cannot have been trimmed.
func (in *inspection) keeps(s shardlog.ShardState) bool {
	for _, g := range in.groups {
		if _, mine := g.shards[s.ID]; mine {
			return s.LastArrivalMs > g.machine.GroupTimeMs()-s.RetentionMs()
		}
	}
	return false
}
