package shardlog

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

type sample struct {
	command Command
	want    string // as docs/format/shardlog.md draws it, for term 3 and stamp 300
}

func samples() []sample {
	a, b := stream.ShardID{Stream: 7, Index: 1}, stream.ShardID{Stream: 300, Index: 2}
	return []sample{
		{Append{}, "010103ac02"},
		{Prepare{Shards: []ShardSpec{{ID: a, CreatedSec: 5, ArrivalFloorMs: 6, RetentionHours: 24}}}, "010203ac0201" + "0701050618"},
		{OpenShards{Shards: []Opening{{ID: b, ArrivalFloorMs: 9}}}, "010303ac0201" + "ac020209"},
		{CloseShards{MetaIndex: 8, Shards: []stream.ShardID{a, b}}, "010403ac020802" + "0701" + "ac0202"},
		{SetRetention{Hours: 48, Shards: []stream.ShardID{a}}, "010503ac023001" + "0701"},
		{DeleteShards{Shards: []stream.ShardID{a}}, "010603ac0201" + "0701"},
		{Purge{Shard: a, Segments: 128}, "010703ac02" + "0701" + "8001"},
		{Trim{Segments: []SegmentID{{Class: 1, Segment: 200}}}, "010803ac0201" + "01c801"},
		{Configure{SegmentBytes: 16}, "010903ac0210"},
	}
}

func TestCommandsAreWhatTheFormatSays(t *testing.T) {
	at := Stamp{Term: 3, Ms: 300}
	for n, s := range samples() {
		if s.command.kind() != kind(n+1) {
			t.Fatalf("kind %d is not tested", n+1)
		}
		b := Encode(nil, at, s.command)
		if hex.EncodeToString(b) != s.want {
			t.Errorf("%T: %x, want %s", s.command, b, s.want)
		}
		got, c, err := Decode(b)
		if err != nil || got != at || !reflect.DeepEqual(c, s.command) {
			t.Errorf("%T becomes %+v at %+v, %v", s.command, c, got, err)
		}
		for n := range b {
			if _, _, err := Decode(b[:n]); err == nil {
				t.Errorf("%T cut to %d bytes is taken", s.command, n)
			}
		}
		if _, _, err := Decode(append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("%T with a byte too many is taken", s.command)
		}
	}
	for _, b := range [][]byte{{2, 1, 3, 3}, {1, 10, 3, 3}, {1, 0, 3, 3}} {
		if _, _, err := Decode(b); err == nil {
			t.Errorf("%x is taken", b)
		}
	}
}

func sampleRows() map[string][]byte {
	sh := shardRow{ShardState: ShardState{
		ShardSpec: ShardSpec{ID: stream.ShardID{Stream: 7, Index: 1}, CreatedSec: 5, ArrivalFloorMs: 6, RetentionHours: 24},
		Phase:     Closed, FloorMs: 1, OpenedMs: 2, ClosedMs: 3, MetaIndex: 4, FirstPosition: 5, LastPosition: 6, EndPosition: 7,
		LastArrivalMs: 8, Records: 9, Bytes: 10,
	}, last: SegmentID{Class: 2, Segment: 11}}
	group := groupState{next: 1, timeMs: 2, segmentBytes: 3, hash: 0x0102030405060708, entries: 4, current: [3]uint64{5, 6, 7}}
	seg := SegmentInfo{FirstPosition: 1, LastPosition: 2, FirstArrivalMs: 3, LastArrivalMs: 4, Bytes: 5, Blocks: 6}
	return map[string][]byte{
		"group": group.encode(), "shard": sh.encode(), "segment": seg.encode(),
		"shard-segment": run{segment: SegmentID{Class: 2, Segment: 11}, firstArrivalMs: 12}.encode(),
		"segment-shard": encodeRuns([]stream.Position{1, 300}),
	}
}

func TestRowsAreWhatTheFormatSays(t *testing.T) {
	for name, want := range map[string]string{
		"group":         "01" + "010203" + "0102030405060708" + "04" + "050607",
		"shard":         "01" + "03" + "0701050618" + "01020304" + "050607" + "08" + "090a" + "020b",
		"segment":       "01" + "010203040506",
		"shard-segment": "01" + "020b0c",
		"segment-shard": "01" + "02" + "01ac02",
	} {
		if got := hex.EncodeToString(sampleRows()[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples() {
		f.Add(Encode(nil, Stamp{Term: 1, Ms: 2}, s.command))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, c, err := Decode(b)
		if err != nil {
			return
		}
		at2, again, err := Decode(Encode(nil, at, c))
		if err != nil || at2 != at || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v becomes %+v: %v", c, again, err)
		}
	})
}

func FuzzRows(f *testing.F) {
	for _, b := range sampleRows() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := decodeGroup(b); err == nil {
			if again, err := decodeGroup(g.encode()); err != nil || again != g {
				t.Fatalf("group: %+v, %v", again, err)
			}
		}
		if s, err := decodeShard(b); err == nil {
			if again, err := decodeShard(s.encode()); err != nil || again != s {
				t.Fatalf("shard: %+v, %v", again, err)
			}
		}
		if s, err := decodeSegment(SegmentID{}, b); err == nil {
			if again, err := decodeSegment(SegmentID{}, s.encode()); err != nil || again != s {
				t.Fatalf("segment: %+v, %v", again, err)
			}
		}
		if x, err := decodeRun(1, b); err == nil {
			if again, err := decodeRun(1, x.encode()); err != nil || again != x {
				t.Fatalf("run: %+v, %v", again, err)
			}
		}
		if r, err := decodeRuns(b); err == nil {
			if again, err := decodeRuns(encodeRuns(r)); err != nil || !reflect.DeepEqual(again, r) {
				t.Fatalf("runs: %+v, %v", again, err)
			}
		}
	})
}
