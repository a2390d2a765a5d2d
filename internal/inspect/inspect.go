package inspect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/internal/node"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// Config says what to look at.
type Config struct {
	Dir    string
	FS     storage.FS // nil: the machine's
	Logger *slog.Logger
	// Progress is told how many bytes are checked and about how many there are; may be nil.
	Progress func(done, total int64)
}

// Run inspects a directory. Damage is in the report's findings; the error tells
// why there is no report: storage.ErrLocked while a node runs there,
// storage.ErrNotFound if it holds no node's data, storage.ErrCorrupt if it is
// damaged so that it cannot even be opened.
func Run(ctx context.Context, cfg Config) (report *Report, err error) {
	store, err := storage.Open(storage.Config{Dir: node.StoreDir(cfg.Dir), FS: cfg.FS, Logger: cfg.Logger, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	in := &inspection{
		cfg: cfg, store: store, report: &Report{Dir: cfg.Dir, Streams: []Stream{}, Groups: []Group{}, Findings: []Finding{}},
		names: map[stream.StreamID]string{}, groups: map[uint32]*group{},
	}
	in.identity()
	in.metadata()
	if err := in.scan(ctx); err != nil {
		return nil, err
	}
	in.conclude()
	return in.report, nil
}

type inspection struct {
	cfg    Config
	store  *storage.Store
	report *Report

	names  map[stream.StreamID]string
	groups map[uint32]*group
	total  int64
}

// group is what is gathered of a data group.
type group struct {
	id        uint32
	machine   *shardlog.Machine
	log       raftlog.LogState
	shards    map[stream.ShardID]*shard
	segments  map[shardlog.SegmentID]*Segment
	order     []shardlog.SegmentID
	unapplied int // blocks behind what the shards have
}

type shard struct {
	state      shardlog.ShardState
	found      Shard
	firstFound stream.Position
	lastFound  stream.Position
	runs       []run              // by first position
	misled     shardlog.SegmentID // the last one of which it was told that runs do not lead there
}

// run is where the blocks of a shard lie from a position on, as the index has it.
type run struct {
	first   stream.Position
	segment shardlog.SegmentID
}

// The identity is two lines: what it is, and the node's name.
const identityHeader = "runnel node 1"

func (in *inspection) identity() {
	b, err := in.store.ReadFile("identity")
	if err != nil {
		in.report.find(BadIdentity, "file identity", "%v", err)
		return
	}
	header, name, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if header != identityHeader || name == "" {
		in.report.find(BadIdentity, "file identity", "it has an unknown form")
	}
	in.report.Node = name
}

// log reads log, term and vote of a group.
func (in *inspection) log(id uint32) raftlog.LogState {
	c := raftlog.Config{Store: in.store, FS: in.cfg.FS, Logger: in.cfg.Logger}
	if in.cfg.FS == nil {
		c.MetaLogDir = node.MetaDir(in.cfg.Dir)
	}
	state, errs := raftlog.Inspect(c, id)
	for _, err := range errs {
		in.report.find(BadLog, groupName(id), "%v", err)
	}
	return state
}

func groupName(id uint32) string {
	if id == raftlog.MetadataGroup {
		return "metadata"
	}
	return fmt.Sprintf("group %d", id)
}

// metadata reads the names of streams and which groups there are.
func (in *inspection) metadata() {
	in.report.Metadata = logOf(in.log(raftlog.MetadataGroup))
	m := metadata.New(metadata.Config{Logger: in.cfg.Logger})
	if err := m.Restore(in.store); err != nil {
		in.report.find(BadState, "metadata", "%v", err)
	}
	streams, _ := m.List("", 1<<30)
	for _, s := range streams {
		in.names[s.ID] = s.Name
		in.report.Streams = append(in.report.Streams, Stream{
			ID: s.ID, Name: s.Name, Status: fmt.Sprint(s.Status), RetentionHours: s.RetentionHours, Shards: len(s.Shards()),
		})
	}
	for id := uint32(1); id <= m.Founded(); id++ {
		in.open(id)
	}
}

// open reads log and small state of a data group.
func (in *inspection) open(id uint32) *group {
	if g, ok := in.groups[id]; ok {
		return g
	}
	g := &group{id: id, shards: map[stream.ShardID]*shard{}, segments: map[shardlog.SegmentID]*Segment{}}
	in.groups[id] = g
	g.log = in.log(id)
	g.machine = shardlog.New(shardlog.Config{Group: id, Store: in.store, Cache: tailcache.New(0), Logger: in.cfg.Logger})
	if err := g.machine.Restore(in.store); err != nil {
		in.report.find(BadState, groupName(id), "%v", err)
		return g
	}
	for _, s := range g.machine.Shards() {
		g.shards[s.ID] = &shard{state: s, found: Shard{
			Stream: in.streamName(s.ID.Stream), Shard: s.ID.Name(), Phase: s.Phase.String(),
			FirstPosition: uint64(s.FirstPosition), LastPosition: uint64(s.LastPosition), LastArrivalMs: s.LastArrivalMs,
			EverRecords: s.Records, EverBytes: s.Bytes,
		}}
	}
	for _, s := range g.machine.Segments() {
		in.total += int64(s.Bytes) //nolint:gosec // bytes on one disk
		g.order = append(g.order, s.SegmentID)
		g.segments[s.SegmentID] = &Segment{
			Class: s.Class, Segment: s.Segment, FirstPosition: uint64(s.FirstPosition), LastPosition: uint64(s.LastPosition),
			FirstArrivalMs: s.FirstArrivalMs, LastArrivalMs: s.LastArrivalMs, Bytes: s.Bytes, Blocks: s.Blocks,
		}
	}
	return g
}

func (in *inspection) streamName(id stream.StreamID) string {
	if name, ok := in.names[id]; ok {
		return name
	}
	return fmt.Sprintf("stream %d", id)
}

// scan reads every row. A file that fails its checksum ends an iterator; the
// next one begins behind the segment in which that happened.
func (in *inspection) scan(ctx context.Context) error {
	var from []byte
	for {
		last, err := in.scanFrom(ctx, from)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		in.report.find(BadTable, in.near(last), "%v", err)
		next := behind(last, from)
		if next == nil {
			return nil
		}
		from = next
	}
}

// scanFrom reads rows until the end or an error. last is the last key it read.
func (in *inspection) scanFrom(ctx context.Context, from []byte) (last []byte, err error) {
	it, err := in.store.NewIter(from, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	const step = 1 << 20
	var pending int
	for ok := it.First(); ok; ok = it.Next() {
		k, v := it.Key(), it.Value()
		last = append(last[:0], k...)
		in.row(k, v)
		in.report.Verified.Rows++
		in.report.Verified.Bytes += uint64(len(k) + len(v))
		if pending += len(k) + len(v); pending >= step {
			pending = 0
			if err := ctx.Err(); err != nil {
				return last, err
			}
			in.progress()
		}
	}
	in.progress()
	return last, it.Error()
}

func (in *inspection) progress() {
	if in.cfg.Progress != nil {
		done := int64(in.report.Verified.Bytes) //nolint:gosec // bytes on one disk
		in.cfg.Progress(done, max(done, in.total))
	}
}

// near names the place behind a key in words.
func (in *inspection) near(last []byte) string {
	if k, err := key.ParseBlock(last); err == nil {
		return segmentName(k.Group, shardlog.SegmentID{Class: k.Class, Segment: k.Segment})
	}
	if len(last) == 0 {
		return "the first rows"
	}
	return fmt.Sprintf("rows behind key %x", last)
}

// behind is the key at which to go on after damage: the next segment if the
// damage was among blocks, else the blocks. nil if that brings nothing new.
func behind(last, from []byte) []byte {
	next, _ := key.AllBlockBounds(0)
	if k, err := key.ParseBlock(last); err == nil {
		_, next = key.SegmentBounds(k.Group, k.Class, k.Segment)
	} else if _, err := key.ParseBlock(from); err == nil || string(from) >= string(next) {
		return nil
	}
	return next
}
