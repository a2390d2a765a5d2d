package inspect

import (
	"fmt"
	"slices"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// row checks one row. The small rows of groups were read by their machines.
func (in *inspection) row(k, v []byte) {
	if b, err := key.ParseBlock(k); err == nil {
		in.block(b, v)
		return
	}
	if g, index, err := key.ParseLog(k); err == nil {
		in.log(g, index)
	}
}

// log checks that the headers of a group's log have no hole.
func (in *inspection) log(id uint32, index uint64) {
	if id == 0 {
		return
	}
	g := in.open(id)
	if g.logLast != 0 && index != g.logLast+1 {
		in.report.find(BadLog, fmt.Sprintf("group %d", id), "entries %d to %d are missing from the log", g.logLast+1, index-1)
	}
	if g.logFirst == 0 {
		g.logFirst = index
	}
	g.logLast = index
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
		if s != nil {
			s.unapplied = true
		}
		return
	}
	if seg := g.segments[id]; seg == nil {
		in.report.find(OrphanBlock, where, "the directory has no such segment")
	} else {
		seg.FoundBlocks++
		seg.FoundBytes += uint64(len(v))
	}
	in.count(s, b, where)
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
		_, applied := g.machine.Hash()
		out := Group{
			Group: id, NextPosition: uint64(g.machine.NextPosition()), TimeMs: g.machine.GroupTimeMs(), Applied: applied,
			LogFirst: g.logFirst, LogLast: g.logLast, Shards: []Shard{}, Segments: []Segment{},
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
