package broker

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// faults stops the reconciler at the n-th point it passes.
type faults struct {
	mu     sync.Mutex
	at     int // stop at this one, from 1; 0 = never
	passed []string
	hit    chan struct{}
}

func newFaults(at int) *faults { return &faults{at: at, hit: make(chan struct{})} }

func (f *faults) pass(point string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passed = append(f.passed, point)
	switch {
	case f.at == 0 || len(f.passed) < f.at:
		return nil
	case len(f.passed) == f.at:
		close(f.hit)
	}
	return errors.New(point)
}

// An operation to crash in: prepare makes the state before it, run asks for it,
// done checks what must hold when the node has come back and finished it.
type operation struct {
	name    string
	prepare func(n *node)
	run     func(n *node) error
	done    func(n *node)
}

func operations() []operation {
	with := func(shards int) func(*node) {
		return func(n *node) {
			n.create("s", shards)
			n.put("s", "a", "1", "b", "2", "c", "3", "d", "4")
		}
	}
	kept := func(open int) func(*node) {
		return func(n *node) {
			n.t.Helper()
			n.active("s")
			list := n.shards("s", ShardFilter{Kind: FilterAtLatest})
			checkTiling(n.t, "open", list)
			if len(list) != open {
				n.t.Fatalf("%d open shards, want %d", len(list), open)
			}
			n.put("s", "a", "5", "b", "6", "c", "7", "d", "8")
			got := []byte(texts(n.readStream("s")))
			slices.Sort(got)
			if string(got) != "12345678" {
				n.t.Fatalf("read %s", got)
			}
		}
	}
	return []operation{
		{"create", func(*node) {}, func(n *node) error { return n.CreateStream(testContext(n.t), "s", 5, 0) }, func(n *node) {
			n.active("s")
			n.put("s", "a", "1", "b", "2", "c", "3", "d", "4")
			kept(5)(n)
		}},
		{"split", with(1), func(n *node) error {
			return n.SplitShard(testContext(n.t), "s", "0", stream.HashKey{Hi: 1 << 63})
		}, kept(2)},
		{"merge", with(2), func(n *node) error { return n.MergeShards(testContext(n.t), "s", "0", "1") }, kept(1)},
		{"scale", with(4), func(n *node) error {
			_, err := n.UpdateShardCount(testContext(n.t), "s", 3)
			return err
		}, kept(3)},
		{"retention", with(2), func(n *node) error {
			s, _ := n.meta.Stream("s")
			ctx := testContext(n.t)
			go func() { _ = n.SetRetention(ctx, "s", 50, RetentionSet) }() // returns when all is done, which here it may never be
			return n.await(ctx, s.ID, func(s *metadata.Stream) bool { return s.Op != nil || s.RetentionHours == 50 })
		}, func(n *node) {
			n.active("s")
			if s, _ := n.meta.Stream("s"); s.RetentionHours != 50 {
				n.t.Fatalf("retention is %d", s.RetentionHours)
			}
			kept(2)(n)
		}},
		{"delete", with(3), func(n *node) error { return n.DeleteStream(testContext(n.t), "s", false) }, func(n *node) {
			n.gone("s")
			for _, g := range n.groups {
				for _, st := range g.machine.Shards() {
					if st.Phase.String() != "deleting" {
						n.t.Fatalf("shard %s is left %v", st.ID, st.Phase)
					}
				}
			}
			n.create("s", 1)
		}},
	}
}

// A crash after any step, with the page cache kept or lost, leaves an operation
// that the next start completes, and nothing is lost on the way.
func TestCrashAtEveryStep(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			for at := 1; ; at++ {
				if !crashAt(t, op, at) {
					if at == 1 {
						t.Fatal("no step was passed")
					}
					return
				}
			}
		})
	}
}

// crashAt tells whether there is such a step.
func crashAt(t *testing.T, op operation, at int) (more bool) {
	t.Helper()
	files := storage.NewCrashableMem()
	n := startNode(t, files, Config{DataGroups: 2})
	op.prepare(n)
	f := newFaults(at)
	n.cfg.fault = f.pass
	if err := op.run(n); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		waitSettled(n)
	}()
	select {
	case <-f.hit:
		more = true
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("step %d is neither reached nor is the operation done; passed %v", at, f.passed)
	}
	after := crashed(files)
	n.stop()
	<-ended
	n = startNode(t, after, Config{DataGroups: 2})
	defer n.stop()
	op.done(n)
	return more
}

// waitSettled returns when no stream has an operation, or the node has ended.
func waitSettled(n *node) {
	for _, id := range allStreams(n) {
		_ = n.await(n.ctx, id, func(s *metadata.Stream) bool { return s.Op == nil })
	}
}

func allStreams(n *node) []stream.StreamID {
	var ids []stream.StreamID
	n.meta.All(func(s *metadata.Stream) bool {
		ids = append(ids, s.ID)
		return true
	})
	return ids
}

// A node that is cut off in the middle of anything comes back with what was
// acknowledged: streams, shards, retention.
func TestMetadataSurvivesRestarts(t *testing.T) {
	files := storage.NewCrashableMem()
	n := startNode(t, files, Config{})
	ctx := testContext(t)
	for i := range 20 {
		n.create(fmt.Sprintf("s%02d", i), 1+i%4)
	}
	if err := n.SetRetention(ctx, "s03", 99, RetentionSet); err != nil {
		t.Fatal(err)
	}
	if err := n.DeleteStream(ctx, "s04", false); err != nil {
		t.Fatal(err)
	}
	n.gone("s04")
	if _, err := n.UpdateShardCount(ctx, "s05", 4); err != nil {
		t.Fatal(err)
	}
	n.active("s05")
	describe := func(n *node) (all string) {
		infos, _, err := n.ListStreams(testContext(t), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			all += fmt.Sprintf("%+v %+v\n", info, n.shards(info.Name, ShardFilter{}))
		}
		return all
	}
	before := describe(n)
	token := n.iterator("s00", 0, From{Kind: TrimHorizon})
	cut := crashed(files)
	n.stop()
	n = startNode(t, cut, Config{DataGroups: 7}) // the groups were fixed when the cluster was founded
	if after := describe(n); after != before {
		t.Fatalf("before:\n%s\nafter:\n%s", before, after)
	}
	if len(n.groups) != 3 {
		t.Fatalf("%d groups", len(n.groups))
	}
	if _, err := n.Read(testContext(t), token, 1); err != nil {
		t.Fatalf("an iterator does not survive the restart: %v", err)
	}
}

// If the metadata's log is lost while the store remembers a cluster, the node
// must not found a new one over it.
func TestLostMetadataIsNotFoundedAnew(t *testing.T) {
	files := storage.NewCrashableMem()
	n := startNode(t, files, Config{})
	if known, err := n.has(foundedKey); err != nil || !known {
		t.Fatalf("%v %v", known, err)
	}
}
