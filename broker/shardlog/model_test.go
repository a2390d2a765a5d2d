package shardlog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
	"pgregory.net/rapid"
)

// model is what a data group means, in the simplest words: shards with their
// records in a slice.
type model struct {
	now    int64
	next   stream.Position
	shards map[stream.ShardID]*modelShard
}

type modelShard struct {
	state   ShardState
	records []got
	cut     int64 // a record before it may have been trimmed
}

func (m *model) ids() []stream.ShardID {
	ids := slices.Collect(maps.Keys(m.shards))
	slices.SortFunc(ids, compareShards)
	return ids
}

func (s *modelShard) from(p stream.Position, floor int64) []got {
	floor = max(floor, s.state.FloorMs)
	var out []got
	for _, g := range s.records {
		if g.position >= p && g.ms >= floor {
			out = append(out, g)
		}
	}
	return out
}

// check holds a replica against the model.
func (m *model) check(t *rapid.T, r *replica) {
	for _, id := range m.ids() {
		want := m.shards[id]
		state, ok := r.m.Shard(id)
		if !ok || state != want.state {
			t.Fatalf("shard %v is %+v, want %+v", id, state, want.state)
		}
		if state.Phase == Deleting {
			continue
		}
		from := rapid.Uint64Range(0, uint64(m.next)).Draw(t, "from")
		floor := rapid.Int64Range(want.cut, max(want.cut, m.now)).Draw(t, "floor")
		all := r.readAll(id, stream.Position(from), floor, rapid.IntRange(1, 20).Draw(t, "step"))
		if wanted := want.from(stream.Position(from), floor); !slices.Equal(all, wanted) {
			t.Fatalf("shard %v from %d floor %d: read %v, want %v", id, from, floor, all, wanted)
		}
		p, err := r.m.SeekTime(id, floor)
		wanted := want.state.LastPosition + 1
		if all := want.from(0, floor); len(all) > 0 {
			wanted = all[0].position
		}
		if err != nil || p != wanted {
			t.Fatalf("shard %v seek %d: %d, %v, want %d", id, floor, p, err, wanted)
		}
	}
}

// checkRows holds the small rows and the blocks against each other: nothing
// that was refused, trimmed or purged may have left any.
func (m *model) checkRows(t *rapid.T, r *replica) {
	segments, runs, pairs := map[SegmentID]bool{}, map[string]SegmentID{}, map[string]bool{}
	for _, s := range r.m.Segments() {
		segments[s.SegmentID] = true
	}
	_ = scan(r.store, []byte{0}, []byte{0xff}, func(k, v []byte) error {
		if _, shard, first, err := key.ParseShardSegment(k); err == nil {
			x, _ := decodeRun(first, v)
			runs[fmt.Sprint(shard, first)] = x.segment
			if !segments[x.segment] || m.shards[shard] == nil {
				t.Fatalf("a run of %v at %d is left in %v", shard, first, x.segment)
			}
		}
		return nil
	})
	_ = scan(r.store, []byte{0}, []byte{0xff}, func(k, v []byte) error {
		if _, class, number, shard, err := key.ParseSegmentShard(k); err == nil {
			firsts, _ := decodeRuns(v)
			pairs[fmt.Sprint(SegmentID{class, number}, shard)] = true
			for _, first := range firsts {
				x := fmt.Sprint(shard, first)
				if runs[x] != (SegmentID{class, number}) {
					t.Fatalf("segment %d of class %d names a run of %v at %d that is not there", number, class, shard, first)
				}
				delete(runs, x)
			}
		}
		return nil
	})
	if len(runs) > 0 {
		t.Fatalf("runs that no segment names: %v", runs)
	}
	_ = scan(r.store, []byte{0}, []byte{0xff}, func(k, _ []byte) error {
		b, err := key.ParseBlock(k)
		if err != nil {
			return nil
		}
		if !pairs[fmt.Sprint(SegmentID{b.Class, b.Segment}, b.Shard)] {
			t.Fatalf("block %+v is left over", b)
		}
		if s := m.shards[b.Shard]; !slices.ContainsFunc(s.records, func(g got) bool { return g.position == b.First }) {
			t.Fatalf("block %+v was refused and is left", b)
		}
		return nil
	})
}

// world makes entries and says what they must do.
type world struct {
	model
	r *replica // the leader's, which applies entry by entry
}

func (w *world) stamp() Stamp { return Stamp{Term: 1, Ms: w.now} }

func (w *world) pick(t *rapid.T) stream.ShardID {
	return id(rapid.Uint32Range(0, 5).Draw(t, "shard"))
}

func (w *world) advance(t *rapid.T) {
	w.now += rapid.SampledFrom([]int64{0, 0, 1, 50, hour, 10 * hour, 200 * hour}).Draw(t, "time passes")
}

func (w *world) prepare(t *rapid.T) {
	s := spec(w.pick(t).Index, rapid.SampledFrom([]uint32{24, 30, 200}).Draw(t, "hours"))
	w.r.doShards(w.stamp(), Prepare{Shards: []ShardSpec{s}})
	if w.shards[s.ID] == nil {
		w.shards[s.ID] = &modelShard{state: ShardState{ShardSpec: s, Phase: Prepared}}
	}
}

func (w *world) open(t *rapid.T) {
	o := Opening{ID: w.pick(t), ArrivalFloorMs: w.now + rapid.Int64Range(-10, 10).Draw(t, "floor")}
	o.ArrivalFloorMs = max(0, o.ArrivalFloorMs)
	w.r.doShards(w.stamp(), OpenShards{Shards: []Opening{o}})
	if s := w.shards[o.ID]; s != nil && s.state.Phase == Prepared {
		s.state.Phase = Open
		s.state.ArrivalFloorMs = o.ArrivalFloorMs
		s.state.OpenedMs = max(w.now, o.ArrivalFloorMs)
	}
}

func (w *world) closeShard(t *rapid.T) {
	id := w.pick(t)
	w.r.doShards(w.stamp(), CloseShards{Shards: []stream.ShardID{id}, MetaIndex: 3})
	if s := w.shards[id]; s != nil && s.state.Phase < Closed {
		s.state.Phase, s.state.MetaIndex = Closed, 3
		s.state.ClosedMs = max(w.now, s.state.ArrivalFloorMs)
		s.state.EndPosition = s.state.LastPosition
	}
}

func (w *world) retention(t *rapid.T) {
	w.setRetention(w.pick(t), rapid.SampledFrom([]uint32{24, 30, 168, 200}).Draw(t, "hours"))
}

func (w *world) setRetention(id stream.ShardID, hours uint32) {
	w.r.doShards(w.stamp(), SetRetention{Shards: []stream.ShardID{id}, Hours: hours})
	if s := w.shards[id]; s != nil && s.state.Phase != Deleting && s.state.RetentionHours != hours {
		s.state.FloorMs = max(s.state.FloorMs, w.now-s.state.RetentionMs(), 0)
		s.state.RetentionHours = hours
	}
}

func (w *world) deleteShard(t *rapid.T) {
	id := w.pick(t)
	w.r.doShards(w.stamp(), DeleteShards{Shards: []stream.ShardID{id}})
	if s := w.shards[id]; s != nil {
		s.state.Phase = Deleting
	}
}

func (w *world) purge(t *rapid.T) {
	id := w.pick(t)
	a := w.r.do(w.stamp(), Purge{Shard: id, Segments: rapid.Uint32Range(1, 3).Draw(t, "segments")}).(Answer)
	if s := w.shards[id]; s != nil && s.state.Phase == Deleting && !a.More {
		delete(w.shards, id)
	}
}

// purgeAll deletes a shard and purges it in the smallest steps.
func (w *world) purgeAll(t *rapid.T) {
	id := w.pick(t)
	w.r.doShards(w.stamp(), DeleteShards{Shards: []stream.ShardID{id}})
	for w.r.do(w.stamp(), Purge{Shard: id, Segments: 1}).(Answer).More {
		continue
	}
	delete(w.shards, id)
}

// flip changes the class of a shard forth and back with records between.
func (w *world) flip(t *rapid.T) {
	id := w.pick(t)
	for _, hours := range []uint32{24, 200, 24} {
		w.setRetention(id, hours)
		w.put(t)
	}
}

// trim tries all segments, and checks that none went too early.
func (w *world) trim(*rapid.T) {
	var ids []SegmentID
	for _, s := range w.r.m.Segments() {
		ids = append(ids, s.SegmentID)
	}
	w.r.do(w.stamp(), Trim{Segments: ids})
	for _, s := range w.shards {
		s.cut = max(s.cut, w.now-s.state.RetentionMs())
	}
}

// put appends blocks to some shards, known or not.
func (w *world) put(t *rapid.T) {
	tip := w.r.m.Tip()
	next := tip.Next + stream.Position(rapid.Uint64Range(0, 3).Draw(t, "gap"))
	var rows []raftlog.Row
	rolled := map[uint8]bool{}
	for range rapid.IntRange(1, 4).Draw(t, "blocks") {
		id := w.pick(t)
		s, _ := w.r.m.Shard(id)
		class := ClassOf(s.RetentionHours)
		seg := &tip.Current[class]
		if !rolled[class] && (seg.Blocks == 0 || seg.Bytes >= tip.SegmentBytes) {
			seg.Segment++
			seg.Blocks, seg.Bytes = 1, 0
		}
		rolled[class] = true
		records := texts(fmt.Sprintf("%d", next), rapid.IntRange(1, 5).Draw(t, "records"))
		row := blockRow(class, seg.Segment, id, next, w.now, records)
		seg.Bytes += uint64(len(row.Value))
		rows = append(rows, row)
		next += stream.Position(len(records))
	}
	refused, _ := w.r.do(w.stamp(), Append{}, rows...).([]error)
	for i, row := range rows {
		k, _ := key.ParseBlock(row.Key)
		s := w.shards[k.Shard]
		takes := s != nil && s.state.Phase == Open && s.state.ArrivalFloorMs <= w.now
		if takes != (refused == nil || refused[i] == nil) {
			t.Fatalf("block of %v: refused with %v, shard %+v", k.Shard, refused, s)
		}
		if takes {
			s.add(row)
		}
	}
	w.next = next
}

func (s *modelShard) add(row raftlog.Row) {
	b, _ := stream.ParseBlock(row.Value)
	h := b.Header()
	for p, rec := range b.All() {
		s.records = append(s.records, got{p, h.ArrivedMs, string(rec.Data)})
	}
	s.state.FirstPosition = cmp.Or(s.state.FirstPosition, h.First)
	s.state.LastPosition, s.state.LastArrivalMs = b.Last(), h.ArrivedMs
	s.state.Records += uint64(h.Count)
	s.state.Bytes += h.Bytes
}

// TestModel lets entries of all kinds meet the machine and the model, and then
// plays the same log into replicas that batch and restart as they like: all
// must end with the same rows.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{r: newReplica(t, rapid.SampledFrom([]int64{0, 500, 1 << 20}).Draw(t, "cache"))}
		w.next, w.shards = 1, map[stream.ShardID]*modelShard{}
		w.r.do(w.stamp(), Configure{SegmentBytes: rapid.Uint64Range(1, 2000).Draw(t, "segment bytes")})
		t.Repeat(map[string]func(*rapid.T){
			"":          func(t *rapid.T) { w.check(t, w.r); w.checkRows(t, w.r) },
			"prepare":   w.prepare,
			"open":      w.open,
			"put":       w.put,
			"put more":  w.put,
			"put most":  w.put,
			"close":     w.closeShard,
			"retention": w.retention,
			"delete":    w.deleteShard,
			"purge":     w.purge,
			"purges":    w.purgeAll,
			"flip":      w.flip,
			"trim":      w.trim,
			"time":      w.advance,
			"restart":   func(*rapid.T) { w.r.start() },
		})
		w.replay(t)
	})
}

func (w *world) replay(t *rapid.T) {
	other := newReplica(t, 1<<20)
	for _, e := range w.r.log {
		other.append(e)
	}
	for left := len(other.log); left > 0; left = len(other.log) - other.applied {
		other.apply(rapid.IntRange(1, left).Draw(t, "batch"))
		if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
			other.start()
		}
	}
	w.check(t, other)
	if a, b := w.r.dump(), other.dump(); a != b {
		t.Fatalf("other batches gave other rows:\n%s\nand\n%s", a, b)
	}
	h1, n1 := w.r.m.Hash()
	if h2, n2 := other.m.Hash(); h1 != h2 || n1 != n2 {
		t.Fatalf("hash %x after %d and %x after %d entries", h1, n1, h2, n2)
	}
}
