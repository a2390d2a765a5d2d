package shardlog

import (
	"testing"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

const day = 24 * hour

func smallSegments(r *replica, bytes uint64) { r.do(Stamp{1, 0}, Configure{SegmentBytes: bytes}) }

func TestRetentionIsExact(t *testing.T) {
	for name, cache := range map[string]int64{"from the cache": 1 << 20, "from the store": 0} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, cache)
			smallSegments(r, 200)
			r.opened(Stamp{1, 0}, spec(0, 24), spec(1, 24))
			for i := range 50 {
				r.put(Stamp{1, int64(i) * 100}, id(uint32(i%2)), texts("a", 1))
			}
			if cache == 0 {
				r.start()
			}
			for floor := int64(0); floor <= 5000; floor += 50 {
				all := r.readAll(id(0), 0, floor, 3)
				want := max(0, 25-int((floor+199)/200))
				if len(all) != want || (want > 0 && all[0].ms < floor) {
					t.Fatalf("floor %d: %d records, want %d: %v", floor, len(all), want, all)
				}
				p, err := r.m.SeekTime(id(0), floor)
				if err != nil {
					t.Fatal(err)
				}
				if want > 0 && p != all[0].position || want == 0 && p != 50 {
					t.Fatalf("seek %d: position %d, read %v", floor, p, all)
				}
			}
		})
	}
}

func TestRaisedRetentionBringsNothingBack(t *testing.T) {
	r := newReplica(t, 1<<20)
	r.opened(Stamp{1, 1}, spec(0, 24))
	r.put(Stamp{1, 1000}, id(0), texts("old", 1))
	r.put(Stamp{1, day}, id(0), texts("new", 1))
	now := int64(day + 2000)
	a := r.doShards(Stamp{1, now}, SetRetention{Shards: []stream.ShardID{id(0)}, Hours: 48})
	s := a[0].State
	if s.RetentionHours != 48 || s.HorizonMs(now) != 2000 || s.HorizonMs(now+2*day) != now {
		t.Fatalf("%+v: horizon %d", s, s.HorizonMs(now))
	}
	for _, restart := range []bool{false, true} {
		if restart {
			r.start()
		}
		if all := r.readAll(id(0), 0, 0, 10); len(all) != 1 || all[0].data != "new-0" {
			t.Errorf("read %v", all)
		}
	}
}

func TestTrim(t *testing.T) {
	r := newReplica(t, 0)
	smallSegments(r, 1)
	r.opened(Stamp{1, 0}, spec(0, 24), spec(1, 20))
	for i := range 4 { // segments 1 to 4, one block each but the first, which has one of each shard
		r.put(Stamp{1, int64(i) * hour}, id(0), texts("a", 1))
	}
	trim := Trim{Segments: []SegmentID{{0, 1}, {0, 2}, {0, 3}, {0, 99}}}
	answer := func(ms int64) Answer { return r.do(Stamp{1, ms}, trim).(Answer) }
	if a := answer(day); a.Trimmed != 0 || a.Refused != 3 {
		t.Errorf("at the last moment of retention: %+v", a)
	}
	if a := answer(day + 1); a.Trimmed != 1 || a.Refused != 2 {
		t.Errorf("a millisecond later: %+v", a)
	}
	lo, hi := key.SegmentBounds(1, 0, 1)
	if err := scan(r.store, lo, hi, func(k, _ []byte) error { t.Errorf("left: %x", k); return nil }); err != nil {
		t.Fatal(err)
	}
	if all := r.readAll(id(0), 0, 0, 10); len(all) != 3 || all[0].position != 2 {
		t.Errorf("read %v", all)
	}
	// The same in one batch with the entries that fill the segments.
	if a := answer(2 * day); a.Trimmed != 2 || len(r.m.Segments()) != 1 {
		t.Errorf("a day later: %+v, %v", a, r.m.Segments())
	}
}

func TestTrimOfTheCurrentSegmentBeginsTheNext(t *testing.T) {
	r := newReplica(t, 0)
	r.opened(Stamp{1, 1}, spec(0, 24))
	r.put(Stamp{1, 1}, id(0), texts("a", 1))
	if a := r.do(Stamp{1, 2 * day}, Trim{Segments: []SegmentID{{0, 1}}}).(Answer); a.Trimmed != 1 {
		t.Fatalf("%+v", a)
	}
	row := blockRow(0, 1, id(0), 2, 2*day, texts("b", 1))
	if errs, _ := r.do(Stamp{1, 2 * day}, Append{}, row).([]error); len(errs) != 1 {
		t.Fatal("a block went into a segment that was removed")
	}
	for _, restart := range []bool{false, true} {
		if restart {
			r.start()
		}
		r.put(Stamp{1, 2 * day}, id(0), texts("c", 1))
	}
	if all := r.readAll(id(0), 0, 0, 10); len(all) != 2 {
		t.Errorf("read %v", all)
	}
}

func TestClassGoesAwayAndComesBack(t *testing.T) {
	r := newReplica(t, 0)
	r.opened(Stamp{1, 1}, spec(0, 24), spec(1, 24))
	hours := []uint32{24, 200, 24, 100, 24}
	for i, h := range hours {
		r.doShards(Stamp{1, int64(i)*10 + 1}, SetRetention{Shards: []stream.ShardID{id(0)}, Hours: h})
		r.put(Stamp{1, int64(i)*10 + 1}, id(1), texts("other", 1))
		r.put(Stamp{1, int64(i)*10 + 2}, id(0), texts(string(rune('a'+i)), 2))
		r.put(Stamp{1, int64(i)*10 + 3}, id(0), texts(string(rune('A'+i)), 1))
	}
	all := r.readAll(id(0), 0, 0, 2)
	if len(all) != 15 || all[0].data != "a-0" || all[14].data != "E-0" {
		t.Fatalf("read %v", all)
	}
	for i := range all {
		if rest := r.readAll(id(0), all[i].position, 0, 100); len(rest) != len(all)-i || rest[0] != all[i] {
			t.Errorf("from %d: %v", all[i].position, rest)
		}
	}
	if p, err := r.m.SeekTime(id(0), 22); err != nil || p != all[6].position {
		t.Errorf("seek: %d, %v", p, err)
	}
	// Segment 1 of class 0 holds three runs of the shard; all of them go with it.
	r.doShards(Stamp{1, 50}, SetRetention{Shards: []stream.ShardID{id(0)}, Hours: 24})
	if a := r.do(Stamp{1, 3 * day}, Trim{Segments: []SegmentID{{0, 1}}}).(Answer); a.Trimmed != 1 {
		t.Fatalf("%+v", a)
	}
	if rest := r.readAll(id(0), 0, 0, 10); len(rest) != 6 || rest[0].data != "b-0" || rest[5].data != "D-0" {
		t.Errorf("after the trim: %v", rest)
	}
}

func TestPurgeInSteps(t *testing.T) {
	r := newReplica(t, 0)
	smallSegments(r, 1)
	r.opened(Stamp{1, 0}, spec(0, 24), spec(1, 24))
	for i := range 10 {
		at := Stamp{1, int64(i)}
		row := r.place(at, id(0), texts("a", 1))
		k, _ := key.ParseBlock(row.Key)
		other := blockRow(0, k.Segment, id(1), k.First+1, at.Ms, texts("b", 1))
		r.do(at, Append{}, []raftlog.Row{row, other}...)
	}
	if a := r.do(Stamp{1, 100}, Purge{Shard: id(0), Segments: 4}).(Answer); a.Refused != 1 {
		t.Fatalf("a living shard was purged: %+v", a)
	}
	r.doShards(Stamp{1, 100}, DeleteShards{Shards: []stream.ShardID{id(0), id(42)}})
	if _, _, err := r.m.Read(id(0), 1, 0, 1, 1); stream.CodeOf(err) != stream.CodeNotFound {
		t.Errorf("read a deleted shard: %v", err)
	}
	for i, more := range []bool{true, true, false, false} {
		if a := r.do(Stamp{1, 100}, Purge{Shard: id(0), Segments: 4}).(Answer); a.More != more {
			t.Errorf("step %d: %+v", i, a)
		}
	}
	if _, ok := r.m.Shard(id(0)); ok {
		t.Error("the shard is still known")
	}
	if all := r.readAll(id(1), 0, 0, 3); len(all) != 10 {
		t.Errorf("the other shard: %v", all)
	}
	blocks := 0
	lo, _ := key.SegmentBounds(1, 0, 1)
	hi, _ := key.SegmentBounds(1, 0, 99)
	if err := scan(r.store, lo, hi, func(_, _ []byte) error { blocks++; return nil }); err != nil || blocks != 10 {
		t.Errorf("%d blocks left, %v", blocks, err)
	}
}
