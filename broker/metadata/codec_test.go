package metadata

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

func samples() []Command {
	key := stream.HashKey{Hi: 1 << 63, Lo: 9}
	l := Limits{Shards: 1, Creating: 2, ScalesPerDay: 3}
	return []Command{
		&Init{Cluster: [16]byte{1, 2}, Groups: 3, Key: [32]byte{4}},
		&GroupReady{Group: 2},
		&RotateKey{Key: stream.TokenKey{ID: 7, Secret: [32]byte{31: 1}}},
		&CreateStream{Name: "n", RetentionHours: 24, Groups: []uint32{1, 2, 300}, DueMs: 5, Limits: l},
		&DeleteStream{Name: "n", DueMs: 6},
		&SplitShard{Name: "n", Shard: 3, At: key, Groups: [2]uint32{1, 2}, DueMs: 8, Limits: l},
		&MergeShards{Name: "n", Shard: 3, Adjacent: 4, Group: 2, DueMs: 9},
		&UpdateShardCount{Name: "n", Target: 12, DueMs: 10, Limits: l},
		&SetRetention{Name: "n", Hours: 48, MayIncrease: true, DueMs: 11},
		&PlanRound{Stream: 5, First: 6, Children: []Child{{Range: stream.HashRange{Start: key, End: stream.MaxHashKey}, Parent: 1, Adjacent: -1, Group: 2}, {Parent: 1, Adjacent: 2, Group: 1}}},
		&Flip{Stream: 5, First: 6, Endings: []Ending{{Shard: 1, End: 1 << 62, ClosedMs: 12}}},
		&Opened{Stream: 5, First: 6},
		&RetentionDone{Stream: 5, Hours: 48},
		&Finish{Stream: 5},
		&Removed{Stream: 5},
		&Forget{Stream: 5, Shards: []uint32{1, 2}},
	}
}

func TestCommandsSurviveTheLog(t *testing.T) {
	seen := map[kind]bool{}
	for _, c := range samples() {
		seen[c.kind()] = true
		b := Encode(c, 1234)
		got, ms, err := Decode(b)
		if err != nil || ms != 1234 || !reflect.DeepEqual(got, c) {
			t.Fatalf("%T: got %+v at %d, %v", c, got, ms, err)
		}
		for n := range b {
			if _, _, err := Decode(b[:n]); err == nil {
				t.Fatalf("%T cut to %d bytes is taken", c, n)
			}
		}
		if _, _, err := Decode(append(bytes.Clone(b), 0)); err == nil {
			t.Fatalf("%T with a byte too many is taken", c)
		}
	}
	for k := kindInit; blank(k) != nil; k++ {
		if !seen[k] {
			t.Fatalf("kind %d is not tested", k)
		}
	}
	if _, _, err := Decode([]byte{2, 1, 0}); err == nil {
		t.Fatal("a version of the future is taken")
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range samples() {
		f.Add(Encode(c, 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ms, err := Decode(b)
		if err != nil {
			return
		}
		again, ms2, err := Decode(Encode(c, ms))
		if err != nil || ms2 != ms || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v becomes %+v: %v", c, again, err)
		}
	})
}

func FuzzRows(f *testing.F) {
	s := &Stream{Name: "n", Status: Updating, Op: &Operation{Kind: OpReshard, Step: StepClose, First: 3, Count: 2}, ScaledMs: []int64{1}}
	sh := &Shard{Parent: -1, Adjacent: -1, Phase: Open}
	sys := system{groups: 2, ready: []bool{true, false}}
	for _, b := range [][]byte{s.encode(), sh.encode(), sys.encode(), encodeTombstone(7)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeStream(1, b); err == nil {
			if again, err := decodeStream(1, s.encode()); err != nil || !same(s, again) {
				t.Fatalf("stream: %v", err)
			}
		}
		if sh, err := decodeShard(stream.ShardID{}, b); err == nil {
			if again, err := decodeShard(stream.ShardID{}, sh.encode()); err != nil || !reflect.DeepEqual(sh, again) {
				t.Fatalf("shard: %v", err)
			}
		}
		if sys, err := decodeSystem(b); err == nil {
			if again, err := decodeSystem(sys.encode()); err != nil || !reflect.DeepEqual(sys, again) {
				t.Fatalf("system: %v", err)
			}
		}
		if sec, err := decodeTombstone("n", b); err == nil {
			if again, err := decodeTombstone("n", encodeTombstone(sec)); err != nil || again != sec {
				t.Fatalf("tombstone: %v", err)
			}
		}
	})
}
