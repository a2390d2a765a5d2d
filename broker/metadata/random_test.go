package metadata

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/stream"
)

// Whatever is asked for in whatever order, and wherever the operations stand,
// open shards tile the hash space, creation seconds order families, and a
// restart loads the same state. world.check runs after every command.
func TestRandomLives(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(outer)
		w.t = t
		w.init(2)
		names := []string{"a", "b"}
		name := func(t *rapid.T) string { return rapid.SampledFrom(names).Draw(t, "name") }
		due := func(t *rapid.T) int64 { return w.ms + rapid.Int64Range(0, 50).Draw(t, "delay") }
		group := func(t *rapid.T) uint32 { return rapid.Uint32Range(1, 2).Draw(t, "group") }
		limits := Limits{Shards: 40, Creating: 2, ScalesPerDay: 5}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				groups := make([]uint32, rapid.IntRange(1, 6).Draw(t, "shards"))
				for i := range groups {
					groups[i] = group(t)
				}
				w.do(&CreateStream{Name: name(t), RetentionHours: 24, Groups: groups, DueMs: due(t), Limits: limits})
			},
			"delete": func(t *rapid.T) { w.do(&DeleteStream{Name: name(t), DueMs: due(t)}) },
			"split": func(t *rapid.T) {
				n, i := name(t), rapid.Uint32Range(0, 30).Draw(t, "shard")
				at := stream.HashKey{Hi: rapid.Uint64().Draw(t, "hi")}
				if s, ok := w.m.Stream(n); ok {
					if sh, ok := s.Shard(i); ok && rapid.Bool().Draw(t, "middle") {
						at = sh.Range.Middle()
					}
				}
				w.do(&SplitShard{Name: n, Shard: i, At: at, Groups: [2]uint32{group(t), group(t)}, DueMs: due(t), Limits: limits})
			},
			"merge": func(t *rapid.T) {
				n := name(t)
				c := &MergeShards{Name: n, Shard: 0, Adjacent: 1, Group: group(t), DueMs: due(t)}
				if s, ok := w.m.Stream(n); ok && len(s.OpenShards()) > 1 {
					i := rapid.IntRange(0, len(s.OpenShards())-2).Draw(t, "at")
					c.Shard, c.Adjacent = s.OpenShards()[i].ID.Index, s.OpenShards()[i+1].ID.Index
				}
				w.do(c)
			},
			"scale": func(t *rapid.T) {
				w.do(&UpdateShardCount{Name: name(t), Target: rapid.Uint32Range(1, 12).Draw(t, "target"), DueMs: due(t), Limits: limits})
			},
			"retain": func(t *rapid.T) {
				w.do(&SetRetention{Name: name(t), Hours: rapid.SampledFrom([]uint32{24, 25, 48}).Draw(t, "hours"), MayIncrease: true, MayDecrease: true, DueMs: due(t)})
			},
			"step": func(t *rapid.T) {
				if s, ok := w.m.Stream(name(t)); ok && s.Op != nil {
					if rapid.Bool().Draw(t, "due") {
						w.ms = max(w.ms, s.Op.DueMs)
					}
					if w.ms >= s.Op.DueMs {
						w.step(s)
					}
				}
			},
			"settle": func(t *rapid.T) { w.settle(name(t)) },
			"forget": func(t *rapid.T) {
				s, ok := w.m.Stream(name(t))
				if !ok {
					return
				}
				c := &Forget{Stream: s.ID}
				for _, sh := range s.Shards() {
					if sh.Phase == Closed && sh.ClosedMs < s.HorizonMs(w.ms) {
						c.Shards = append(c.Shards, sh.ID.Index)
					}
				}
				w.must(c)
			},
			"time": func(t *rapid.T) {
				w.ms += rapid.SampledFrom([]int64{1, 999, 60_000, 13 * msPerHour}).Draw(t, "ms")
			},
			"restart": func(*rapid.T) { w.m = w.restore() },
		})
	})
}
