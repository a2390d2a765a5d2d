package broker

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// faults stops the reconciler at the n-th point it passes once it is armed.
type faults struct {
	mu     sync.Mutex
	armed  bool
	at     int // stop at this one, from 1; 0 = never
	passed []string
	hit    chan struct{}
}

func newFaults(at int) *faults { return &faults{at: at, hit: make(chan struct{})} }

func (f *faults) arm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = true
}

func (f *faults) pass(point string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return nil
	}
	f.passed = append(f.passed, point)
	switch {
	case f.at == 0 || len(f.passed) < f.at:
		return nil
	case len(f.passed) == f.at:
		close(f.hit)
	}
	return errors.New(point)
}

// steps counts the points that begin so.
func (f *faults) steps(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, point := range f.passed {
		if strings.HasPrefix(point, prefix) {
			n++
		}
	}
	return n
}

// An operation to crash in: prepare makes the state before it, run asks for it,
// done checks what must hold when the node has come back and finished it.
type operation struct {
	name    string
	points  string // what its points begin with
	keeps   bool   // the records that the stream has
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
			got := []byte(texts(withoutWriter(n.readStream("s"))))
			slices.Sort(got)
			if string(got) != "12345678" {
				n.t.Fatalf("read %s", got)
			}
		}
	}
	return []operation{
		{"create", "create", false, func(*node) {}, func(n *node) error { return n.CreateStream(testContext(n.t), "s", 5, 0) }, func(n *node) {
			n.active("s")
			n.put("s", "a", "1", "b", "2", "c", "3", "d", "4")
			kept(5)(n)
		}},
		{"split", "reshard", true, with(1), func(n *node) error {
			return n.SplitShard(testContext(n.t), "s", "0", stream.HashKey{Hi: 1 << 63})
		}, kept(2)},
		{"merge", "reshard", true, with(2), func(n *node) error { return n.MergeShards(testContext(n.t), "s", "0", "1") }, kept(1)},
		{"scale", "reshard", true, with(4), func(n *node) error {
			_, err := n.UpdateShardCount(testContext(n.t), "s", 3)
			return err
		}, kept(3)},
		{"retention", "retention", true, with(2), func(n *node) error {
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
		{"delete", "delete", false, with(3), func(n *node) error { return n.DeleteStream(testContext(n.t), "s", false) }, func(n *node) {
			n.gone("s")
			wantErased(n, 1)
			n.create("s", 1)
			if left := n.readStream("s"); len(left) != 0 {
				n.t.Fatalf("a new stream shows records of the old one: %v", left)
			}
		}},
	}
}

// A power cut after any step leaves an operation that the next start completes,
// and nothing that was acknowledged is lost on the way. What was not synced is
// lost, kept, or lost in part.
func TestCrashAtEveryStep(t *testing.T) {
	percents := []int{0, 50, 100}
	if testing.Short() {
		percents = percents[:1]
	}
	for _, op := range operations() {
		for _, kept := range percents {
			t.Run(fmt.Sprintf("%s, %d %% kept", op.name, kept), func(t *testing.T) {
				t.Parallel()
				steps := countSteps(t, op)
				if steps < 2 {
					t.Fatalf("%d steps were passed", steps)
				}
				for at := 1; at <= steps; at++ {
					crashAt(t, op, at, kept)
				}
			})
		}
	}
}

func countSteps(t *testing.T, op operation) int {
	t.Helper()
	f := newFaults(0)
	n := startNode(t, storage.NewCrashableMem(), Config{DataGroups: 2, fault: f.pass})
	op.prepare(n)
	f.arm()
	if err := op.run(n); err != nil {
		t.Fatal(err)
	}
	op.done(n)
	n.reconciler.wait()
	n.stop()
	return f.steps(op.points)
}

func crashAt(t *testing.T, op operation, at, kept int) {
	t.Helper()
	files := storage.NewCrashableMem()
	f := newFaults(at)
	n := startNode(t, files, Config{DataGroups: 2, fault: f.pass})
	op.prepare(n)
	w := newWriter(n, "s")
	watch := watchTiling(n)
	f.arm()
	if err := op.run(n); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.hit:
	case <-time.After(testPatience):
		t.Fatalf("step %d is not reached; passed %v", at, f.passed)
	}
	acknowledged := w.acknowledged()
	after := cutOff(files, kept, uint64(at))
	n.stop()
	w.end()
	watch.end()
	n = startNode(t, after, Config{DataGroups: 2})
	defer n.stop()
	watch = watchTiling(n)
	defer watch.end()
	op.done(n)
	if op.keeps {
		wantAll(t, n, "s", acknowledged)
	}
}

// waitSettled returns when no stream has an operation, or the node has ended.
func waitSettled(n *node) {
	for _, id := range allStreams(n) {
		_ = n.await(n.ctx, id, func(s *metadata.Stream) bool { return s.Op == nil })
	}
}

// Crashes may follow each other, one operation another.
func TestCrashAgainAndAgain(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 4))
			files := storage.NewCrashableMem()
			n := startNode(t, files, Config{DataGroups: 2})
			n.create("s", 3)
			acknowledged := map[string]bool{}
			for range 8 {
				n.stop()
				f := newFaults(1 + rnd.IntN(6))
				f.arm()
				n = startNode(t, files, Config{DataGroups: 2, fault: f.pass})
				w, watch := newWriter(n, "s"), watchTiling(n)
				target := 2 + rnd.IntN(5)
				if _, err := n.UpdateShardCount(testContext(t), "s", target); err != nil &&
					stream.CodeOf(err) != stream.CodeInUse && stream.CodeOf(err) != stream.CodeLimitExceeded {
					t.Fatal(err)
				}
				ended := make(chan struct{})
				go func() { defer close(ended); waitSettled(n) }()
				select {
				case <-f.hit:
				case <-ended:
				}
				maps.Copy(acknowledged, w.acknowledged())
				files = cutOff(files, 50, rnd.Uint64())
				n.stop()
				<-ended
				w.end()
				watch.end()
				n = startNode(t, files, Config{DataGroups: 2})
			}
			n.active("s")
			checkTiling(t, "open", n.shards("s", ShardFilter{Kind: FilterAtLatest}))
			wantAll(t, n, "s", acknowledged)
			if len(acknowledged) == 0 {
				t.Fatal("nothing was put")
			}
		})
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

// A step that fails is tried again, and does not hold up other streams.
func TestFailedStepsAreTriedAgain(t *testing.T) {
	var mu sync.Mutex
	failures := map[string]int{}
	n := startNode(t, storage.NewCrashableMem(), Config{fault: func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		if failures[point]++; failures[point] == 1 {
			return stream.Errorf(stream.CodeUnavailable, "not now")
		}
		return nil
	}})
	for _, name := range []string{"a", "b"} {
		if err := n.CreateStream(testContext(t), name, 2, 0); err != nil {
			t.Fatal(err)
		}
	}
	n.active("a")
	n.active("b")
	if _, err := n.UpdateShardCount(testContext(t), "a", 3); err != nil {
		t.Fatal(err)
	}
	n.active("a")
	checkTiling(t, "open", n.shards("a", ShardFilter{Kind: FilterAtLatest}))
	if err := n.DeleteStream(testContext(t), "a", false); err != nil {
		t.Fatal(err)
	}
	n.gone("a")
	n.put("b", "k", "v")
	eventually(t, "a reconciler without work", func() bool {
		r := n.reconciler
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.state) == 0 && len(r.queue) == 0 && r.running == 0
	})
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
	store, err := storage.Open(storage.Config{Dir: "data", FS: files})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBatch()
	b.Set(foundedKey, []byte{1})
	if err := errors.Join(b.Commit(true), store.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = openNode(t, files, Config{})
	wantCode(t, err, stream.CodeCorrupt, "metadata is lost")
	n := startNode(t, storage.NewCrashableMem(), Config{})
	if known, err := n.has(foundedKey); err != nil || !known {
		t.Fatalf("%v %v", known, err)
	}
}
