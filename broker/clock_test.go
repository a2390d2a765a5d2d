package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker/coalesce"
	"github.com/runnel-io/runnel/storage"
)

func TestMetadataTimeAdvancesWhateverTheWallDoes(t *testing.T) {
	wall, elapsed := time.UnixMilli(1_000_000), time.Duration(0)
	r := ratchet{wall: func() time.Time { return wall }, elapsed: func() time.Duration { return elapsed }}
	for _, step := range []struct {
		wall, elapsed time.Duration
		least         int64
		want          int64
	}{
		{0, 0, 0, 1_000_000},
		{time.Second, time.Second, 0, 1_001_000},
		{time.Hour, time.Second, 0, 4_601_000},      // set forward: followed at once
		{-2 * time.Hour, time.Second, 0, 4_602_000}, // set back: goes on
		{1500 * time.Microsecond, 1500 * time.Microsecond, 0, 4_602_001},
		{1500 * time.Microsecond, 1500 * time.Microsecond, 0, 4_602_003}, // parts of a millisecond count
		{0, 0, 5_000_000, 5_000_000},                                     // the metadata knows a later time
		{time.Second, time.Second, 0, 5_001_000},
		{time.Hour, 10 * time.Minute, 0, 5_601_000}, // has not caught up
		{time.Hour, 0, 0, 5_601_000},
		{2 * time.Hour, 0, 0, 11_802_003}, // has
	} {
		wall, elapsed = wall.Add(step.wall), elapsed+step.elapsed
		if got := r.nowMs(step.least); got != step.want {
			t.Fatalf("%+v: %d", step, got)
		}
	}
}

// A stream's state ends although the wall was set back while it lasted.
func TestLifeCycleWithAWallSetBack(t *testing.T) {
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Now: c.Now, LifecycleDelay: 50 * time.Millisecond})
	if err := n.CreateStream(testContext(t), "s", 1, 0); err != nil {
		t.Fatal(err)
	}
	c.advance(-5 * time.Hour)
	n.active("s")
	n.put("s", "a", "1")
	if err := n.DeleteStream(testContext(t), "s", false); err != nil {
		t.Fatal(err)
	}
	c.advance(-5 * time.Hour)
	n.gone("s")
}

// A node that was stopped for a weekend asks about its clock over restarts, and
// trims when it is trusted.
func TestDoubtIsKept(t *testing.T) {
	c := newStill()
	var trusted atomic.Bool
	cfg := c.config()
	cfg.DataGroups = 1
	cfg.trusted = trusted.Load
	files := storage.NewCrashableMem()
	n := startNode(t, files, cfg)
	n.create("s", 1)
	n.put("s", "k", "v")
	pass := func(n *node) coalesce.TrimStatus {
		t.Helper()
		if err := n.groups[1].trimmer.Pass(testContext(t)); err != nil {
			t.Fatal(err)
		}
		return n.groups[1].trimmer.Status()
	}
	pass(n)
	for range 2 {
		c.advance(30 * time.Hour)
		n = n.restart(files, cfg)
		n.put("s", "k", "v")
		if st := pass(n); !st.Asking {
			t.Fatalf("%+v", st)
		}
		cut := crashed(files)
		n.stop()
		files = cut
		n = startNode(t, files, cfg)
		if st := pass(n); !st.Asking || n.mayExpire() {
			t.Fatalf("after a power cut: %+v", st)
		}
	}
	trusted.Store(true)
	c.advance(11 * time.Minute)
	if st := pass(n); st.Asking || st.Trimmed != 2 || !n.mayExpire() {
		t.Fatalf("%+v", st)
	}
	if ms, err := n.believed(1); ms != 0 || err != nil {
		t.Fatal(ms, err)
	}
}
