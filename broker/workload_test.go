package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// writer puts records into a stream until it is ended, and remembers what was
// acknowledged.
type writer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	acked  map[string]bool
	refuse []error
}

const writerMark = "w:"

var writers atomic.Int64 // for texts that are unique

func newWriter(n *node, name string) *writer {
	ctx, cancel := context.WithCancel(n.t.Context())
	w := &writer{cancel: cancel, acked: map[string]bool{}}
	for range 2 {
		i := writers.Add(1)
		w.done.Go(func() {
			for seq := 0; ctx.Err() == nil && n.ctx.Err() == nil; seq++ {
				w.put(ctx, n, name, fmt.Sprintf("%s%d-%d", writerMark, i, seq))
			}
		})
	}
	return w
}

func (w *writer) put(ctx context.Context, n *node, name, text string) {
	var records []PutRecord
	for i := range 3 {
		text := fmt.Sprintf("%s.%d", text, i)
		records = append(records, PutRecord{PartitionKey: text, Data: []byte(text)})
	}
	results, err := n.Put(ctx, name, records)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range results {
		if r.Err == nil {
			w.acked[records[i].PartitionKey] = true
		} else {
			w.refuse = append(w.refuse, r.Err)
		}
	}
	if err != nil {
		w.refuse = append(w.refuse, err)
	}
}

func (w *writer) acknowledged() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]bool, len(w.acked))
	for k := range w.acked {
		out[k] = true
	}
	return out
}

func (w *writer) end() {
	w.cancel()
	w.done.Wait()
}

// wantAll fails unless the stream has each of these records, and none twice.
func wantAll(t *testing.T, n *node, name string, want map[string]bool) {
	t.Helper()
	got := map[string]int{}
	for _, r := range n.readStream(name) {
		got[r.data]++
	}
	for text := range want {
		if got[text] != 1 {
			t.Errorf("record %q was acknowledged and is there %d times", text, got[text])
		}
	}
}

func withoutWriter(records []record) (out []record) {
	for _, r := range records {
		if !strings.HasPrefix(r.data, writerMark) {
			out = append(out, r)
		}
	}
	return out
}

// watcher looks at every state of every stream that it gets to see.
type watcher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// watchTiling fails the test if the open shards of a stream do not tile the
// hash space in any state.
func watchTiling(n *node) *watcher {
	ctx, cancel := context.WithCancel(n.ctx)
	w := &watcher{cancel: cancel}
	for _, id := range allStreams(n) {
		w.done.Go(func() {
			for ctx.Err() == nil {
				s, ok := n.meta.StreamByID(id)
				if !ok {
					return
				}
				wantTiled(n.t, s)
				select {
				case <-s.Superseded():
				case <-ctx.Done():
				}
			}
		})
	}
	return w
}

func wantTiled(t *testing.T, s *metadata.Stream) {
	open := s.OpenShards()
	if s.Status == metadata.Creating || s.Status == metadata.Deleting && len(open) == 0 {
		return
	}
	at := stream.HashKey{}
	for _, sh := range open {
		if sh.Range.Start != at {
			t.Errorf("stream %s, %v: a gap or an overlap at %v", s.Name, s.Status, at)
		}
		at = sh.Range.End.Next()
	}
	if at != (stream.HashKey{}) || len(open) == 0 {
		t.Errorf("stream %s, %v: covered up to %v only", s.Name, s.Status, at)
	}
}

func (w *watcher) end() {
	w.cancel()
	w.done.Wait()
}

// cutOff is what a power cut leaves of a file system, if so many percent of what
// was not synced are on the disk already.
func cutOff(files *storage.MemFS, percent int, seed uint64) *storage.MemFS {
	return files.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 5))})
}

// wantErased fails if the store still has anything of an incarnation once the
// trimmers have been at work.
func wantErased(n *node, id stream.StreamID) {
	n.t.Helper()
	for _, g := range n.groupList() {
		if err := g.trimmer.Pass(testContext(n.t)); err != nil {
			n.t.Fatal(err)
		}
	}
	for what, left := range n.rowsOf(id) {
		if left > 0 {
			n.t.Fatalf("%d %s of the deleted stream are left", left, what)
		}
	}
}

// rowsOf counts what the store has of a stream.
func (n *node) rowsOf(id stream.StreamID) map[string]int {
	n.t.Helper()
	left := map[string]int{}
	count := func(what string, lo, hi []byte, of func(k []byte) (stream.StreamID, error)) {
		it, err := n.store.NewIter(lo, hi)
		if err != nil {
			n.t.Fatal(err)
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			got, err := of(it.Key())
			if err != nil {
				n.t.Fatal(err)
			}
			if got == id {
				left[what]++
			}
		}
		if err := it.Error(); err != nil {
			n.t.Fatal(err)
		}
	}
	for _, g := range n.groupList() {
		lo, hi := key.ShardBounds(g.id)
		count("shard rows", lo, hi, func(k []byte) (stream.StreamID, error) {
			_, sh, err := key.ParseShard(k)
			return sh.Stream, err
		})
		for class := range uint8(3) {
			lo, _ := key.SegmentBounds(g.id, class, 0)
			hi, _ := key.SegmentBounds(g.id, class, 1<<62)
			count("blocks", lo, hi, func(k []byte) (stream.StreamID, error) {
				b, err := key.ParseBlock(k)
				return b.Shard.Stream, err
			})
			lo, _ = key.SegmentShardBounds(g.id, class, 0)
			hi, _ = key.SegmentShardBounds(g.id, class, 1<<62)
			count("segment rows", lo, hi, func(k []byte) (stream.StreamID, error) {
				_, _, _, sh, err := key.ParseSegmentShard(k)
				return sh.Stream, err
			})
		}
	}
	lo, hi := key.MetaShardBounds(id)
	count("metadata rows", lo, hi, func(k []byte) (stream.StreamID, error) {
		sh, err := key.ParseMetaShard(k)
		return sh.Stream, err
	})
	return left
}
