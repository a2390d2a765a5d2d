package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

func TestSplitAndMergeWithData(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	ctx := testContext(t)
	n.create("s", 1)
	n.put("s", "a", "1", "b", "2", "c", "3")
	latest := n.iterator("s", 0, From{Kind: Latest})
	if err := n.SplitShard(ctx, "s", "shardId-000000000000", stream.MaxHashKey.Prev().Prev()); err != nil {
		t.Fatal(err)
	}
	n.active("s")
	n.put("s", "a", "4", "b", "5")
	list := n.shards("s", ShardFilter{})
	parent, lower, upper := list[0], list[1], list[2]
	if !parent.Closed || lower.Closed || upper.Closed || lower.Parent != 0 || lower.AdjacentParent != -1 ||
		lower.OpenedMs != parent.ClosedMs || parent.End.Compare(lower.Start) >= 0 || parent.End.Position != stream.MaxPosition {
		t.Fatalf("%+v", list)
	}
	// LATEST of the closed shard is its end, and names the children.
	_, last := n.readShard(latest)
	if last.NextToken != "" || len(last.Children) != 2 || last.Children[0].ID.Index != 1 || last.Children[0].Parents[0] != 0 {
		t.Fatalf("%+v", last)
	}
	if err := n.MergeShards(ctx, "s", "1", "2"); err != nil {
		t.Fatal(err)
	}
	n.active("s")
	n.put("s", "a", "6")
	if got := texts(n.readStream("s")); got != "123456" {
		t.Fatal(got)
	}
	_, last = n.readShard(n.iterator("s", 2, From{Kind: TrimHorizon}))
	if len(last.Children) != 1 || len(last.Children[0].Parents) != 2 || last.Children[0].Range != (stream.HashRange{End: stream.MaxHashKey}) {
		t.Fatalf("%+v", last.Children)
	}
	// The numbers of a key grow over all reshards.
	var prev stream.Sequence
	for _, r := range n.readStream("s") {
		if r.key == "a" {
			if r.stamp.Sequence.Compare(prev) <= 0 {
				t.Fatalf("%v after %v", r.stamp.Sequence, prev)
			}
			prev = r.stamp.Sequence
		}
	}
}

func texts(records []record) (all string) {
	for _, r := range records {
		all += r.data
	}
	return all
}

func TestUpdateShardCountReachesEvenRanges(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	ctx := testContext(t)
	n.create("s", 3)
	current := 3
	for _, target := range []int{6, 4, 8, 5, 5, 10} {
		got, err := n.UpdateShardCount(ctx, "s", target)
		if err != nil || got != current {
			t.Fatalf("%d, %v", got, err)
		}
		n.active("s")
		open := n.shards("s", ShardFilter{Kind: FilterAtLatest})
		checkTiling(t, "open", open)
		ranges := map[stream.HashRange]bool{}
		for _, sh := range open {
			ranges[sh.Range] = true
		}
		for _, r := range stream.EvenRanges(target) {
			if !ranges[r] {
				t.Fatalf("target %d: no shard has %v", target, r)
			}
		}
		current = target
	}
	n.readStream("s") // every closed shard has children
}

func TestAtFiltersTileAtEveryTime(t *testing.T) {
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Now: c.Now})
	ctx := testContext(t)
	created := n.create("s", 2).CreatedMs
	var times []int64
	for _, target := range []int{4, 3, 6} {
		c.advance(time.Hour)
		if _, err := n.UpdateShardCount(ctx, "s", target); err != nil {
			t.Fatal(err)
		}
		n.active("s")
	}
	for _, sh := range n.shards("s", ShardFilter{}) {
		times = append(times, sh.OpenedMs, sh.OpenedMs-1, sh.OpenedMs+1)
	}
	times = append(times, created-1e9, c.Now().UnixMilli())
	for _, ms := range times {
		if ms <= c.Now().UnixMilli() {
			checkTiling(t, fmt.Sprint("at ", ms), n.shards("s", ShardFilter{Kind: FilterAtTimestamp, TimestampMs: ms}))
		}
	}
	for range 30 { // the trim horizon passes over all reshards
		checkTiling(t, "at horizon", n.shards("s", ShardFilter{Kind: FilterAtTrimHorizon}))
		c.advance(time.Hour)
	}
	if all := n.shards("s", ShardFilter{}); len(all) != 6 {
		t.Fatalf("%d shards are listed after the closed ones expired", len(all))
	}
	// A longer retention does not bring back what has expired.
	if err := n.SetRetention(ctx, "s", 100, RetentionIncrease); err != nil {
		t.Fatal(err)
	}
	n.active("s")
	checkTiling(t, "at horizon", n.shards("s", ShardFilter{Kind: FilterAtTrimHorizon}))
	if all := n.shards("s", ShardFilter{Kind: FilterFromTimestamp, TimestampMs: created}); len(all) != 6 {
		t.Fatalf("%d shards are listed", len(all))
	}
}

func TestFromTimestampListsWhatWasOpenSince(t *testing.T) {
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Now: c.Now})
	ctx := testContext(t)
	n.create("s", 1)
	for i := range 2 {
		c.advance(time.Hour)
		if err := n.SplitShard(ctx, "s", stream.ShardName(uint32(2*i)), stream.HashKey{Hi: 1 << (63 - i*9)}.Prev()); i == 0 && err != nil {
			t.Fatal(err)
		}
		n.active("s")
	}
	first := n.shards("s", ShardFilter{})[0]
	for ms, want := range map[int64]bool{first.ClosedMs: true, first.ClosedMs + 1: false} {
		got := n.shards("s", ShardFilter{Kind: FilterFromTimestamp, TimestampMs: ms})
		if (got[0].ID.Index == 0) != want {
			t.Fatalf("from %d: %v", ms-first.ClosedMs, got[0].ID)
		}
	}
}

// Expired closed shards are dropped from the groups and from the metadata.
func TestExpiredShardsAreForgotten(t *testing.T) {
	var c clock
	files := storage.NewCrashableMem()
	n := startNode(t, files, Config{Now: c.Now})
	ctx := testContext(t)
	n.create("s", 1)
	n.put("s", "a", "1")
	if err := n.SplitShard(ctx, "s", "0", stream.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	n.active("s")
	s, _ := n.meta.Stream("s")
	if err := n.expire(ctx, s.ID, s.Shards()[:1]); err != nil { // too early: the metadata refuses
		t.Fatal(err)
	}
	if _, ok := n.meta.Stream("s"); !ok || len(n.shards("s", ShardFilter{})) != 3 {
		t.Fatal("forgotten before its time")
	}
	c.advance(25 * time.Hour)
	s, _ = n.meta.Stream("s")
	if err := n.expire(ctx, s.ID, s.Shards()[:1]); err != nil {
		t.Fatal(err)
	}
	s, _ = n.meta.Stream("s")
	if len(s.Shards()) != 2 {
		t.Fatalf("%d shards are known", len(s.Shards()))
	}
	if _, err := n.Iterator(ctx, "s", "0", From{Kind: TrimHorizon}); err == nil {
		t.Fatal("a forgotten shard is readable")
	}
	n = n.restart(files, Config{Now: c.Now})
	if list := n.shards("s", ShardFilter{}); len(list) != 2 || list[0].Parent != 0 {
		t.Fatalf("%+v", list)
	}
	n.put("s", "a", "2")
}

// A crash while expired shards are dropped leaves nothing that the next attempt
// does not finish.
func TestCrashWhileShardsAreForgotten(t *testing.T) {
	for at := range 2 {
		var c clock
		files := storage.NewCrashableMem()
		f := newFaults(at + 1)
		n := startNode(t, files, Config{Now: c.Now, fault: f.pass})
		ctx := testContext(t)
		n.create("s", 1)
		n.put("s", "a", "1")
		if err := n.SplitShard(ctx, "s", "0", stream.HashKey{Hi: 1 << 63}); err != nil {
			t.Fatal(err)
		}
		n.active("s")
		c.advance(25 * time.Hour)
		f.arm()
		s, _ := n.meta.Stream("s")
		if err := n.expire(ctx, s.ID, s.Shards()[:1]); err == nil {
			t.Fatal("the fault did not stop it")
		}
		after := crashed(files)
		n.stop()
		n = startNode(t, after, Config{Now: c.Now})
		if s, _ = n.meta.Stream("s"); len(s.Shards()) == 3 {
			if err := n.expire(testContext(t), s.ID, s.Shards()[:1]); err != nil {
				t.Fatal(err)
			}
		}
		if list := n.shards("s", ShardFilter{}); len(list) != 2 {
			t.Fatalf("%d shards are left", len(list))
		}
		checkTiling(t, "at horizon", n.shards("s", ShardFilter{Kind: FilterAtTrimHorizon}))
		n.put("s", "a", "2")
		n.stop()
	}
}
