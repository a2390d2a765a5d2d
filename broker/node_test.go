package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// node is a broker with the store and the host below it, as one node has them.
type node struct {
	*Broker
	t     *testing.T
	store *storage.Store
	host  *raftlog.Host
}

// clock is a wall clock that a test may move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

const testPatience = 20 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := testContext(t)
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

// startNode opens a node on fs, whose files a former one may have left.
func startNode(t *testing.T, files storage.FS, cfg Config, store ...func(*storage.Config)) *node {
	t.Helper()
	n, err := openNode(t, files, cfg, store...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openNode(t *testing.T, files storage.FS, cfg Config, change ...func(*storage.Config)) (*node, error) {
	t.Helper()
	if cfg.DataGroups == 0 {
		cfg.DataGroups = 3
	}
	storeConfig := storage.Config{Dir: "data", FS: files}
	for _, f := range change {
		f(&storeConfig)
	}
	store, err := storage.Open(storeConfig)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	host, err := raftlog.NewHost(raftlog.Config{NodeID: "n1", Store: store, FS: files})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	n := &node{t: t, store: store, host: host}
	ctx := testContext(t)
	if n.Broker, err = Open(ctx, cfg, Deps{Store: store, Host: host}); err != nil {
		return nil, errors.Join(err, host.Close(ctx), store.Close())
	}
	t.Cleanup(n.stop)
	if err := n.Ready(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// stop ends the node in good order. It may be called again.
func (n *node) stop() {
	n.t.Helper()
	if n.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	for what, err := range map[string]error{
		"broker": n.Close(ctx), "host": n.host.Close(ctx), "store": n.store.Close(),
	} {
		if err != nil {
			n.t.Errorf("close %s: %v", what, err)
		}
	}
	n.store = nil
}

// restart stops the node and opens it again.
func (n *node) restart(files storage.FS, cfg Config) *node {
	n.t.Helper()
	n.stop()
	return startNode(n.t, files, cfg)
}

// create makes a stream and waits until it is ACTIVE.
func (n *node) create(name string, shards int) StreamInfo {
	n.t.Helper()
	if err := n.CreateStream(testContext(n.t), name, shards, 0); err != nil {
		n.t.Fatal(err)
	}
	return n.active(name)
}

// active waits until a stream is ACTIVE.
func (n *node) active(name string) StreamInfo {
	n.t.Helper()
	s, ok := n.meta.Stream(name)
	if !ok {
		n.t.Fatalf("no stream %s", name)
	}
	ctx := testContext(n.t)
	if err := n.await(ctx, s.ID, func(s *metadata.Stream) bool { return s.Status == metadata.Active }); err != nil {
		n.t.Fatalf("stream %s does not become ACTIVE: %v", name, err)
	}
	s, ok = n.meta.Stream(name)
	if !ok || s.Status != metadata.Active {
		n.t.Fatalf("stream %s is not ACTIVE", name)
	}
	return n.info(s)
}

// gone waits until a stream is no more.
func (n *node) gone(name string) {
	n.t.Helper()
	s, ok := n.meta.Stream(name)
	if !ok {
		return
	}
	if err := n.await(testContext(n.t), s.ID, func(*metadata.Stream) bool { return false }); err != nil {
		n.t.Fatalf("stream %s does not go: %v", name, err)
	}
}

// put stores records with these keys and texts, which must all be taken.
func (n *node) put(name string, keysAndData ...string) []PutResult {
	n.t.Helper()
	var records []PutRecord
	for i := 0; i < len(keysAndData); i += 2 {
		records = append(records, PutRecord{PartitionKey: keysAndData[i], Data: []byte(keysAndData[i+1])})
	}
	results, err := n.Put(testContext(n.t), name, records)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			n.t.Fatal(r.Err)
		}
	}
	return results
}

// shards lists all shards of a stream.
func (n *node) shards(name string, f ShardFilter) []ShardInfo {
	n.t.Helper()
	list, more, err := n.ListShards(testContext(n.t), name, f, -1, 20_000)
	if err != nil || more {
		n.t.Fatalf("list shards: %v, more %v", err, more)
	}
	return list
}

// iterator makes a token.
func (n *node) iterator(name string, shard uint32, from From) string {
	n.t.Helper()
	token, err := n.Iterator(testContext(n.t), name, stream.ShardName(shard), from)
	if err != nil {
		n.t.Fatal(err)
	}
	return token
}

// record is a record as a reader has seen it.
type record struct {
	stamp Stamp
	key   string
	data  string
}

// readShard reads from a token to the end of the shard, or until caught up.
func (n *node) readShard(token string) (records []record, last ReadResult) {
	n.t.Helper()
	for token != "" {
		res, err := n.Read(testContext(n.t), token, 1000)
		if err != nil {
			n.t.Fatal(err)
		}
		last = res
		for st, r := range res.Records() {
			records = append(records, record{st, r.PartitionKey, string(r.Data)})
		}
		if token = res.NextToken; res.MillisBehind == 0 {
			break
		}
	}
	return records, last
}

// readStream reads a whole stream, parents before children, and checks that
// each record lies in its shard and that numbers increase in each shard.
func (n *node) readStream(name string) []record {
	n.t.Helper()
	var all []record
	for _, sh := range n.shards(name, ShardFilter{}) {
		records, last := n.readShard(n.iterator(name, sh.ID.Index, From{Kind: TrimHorizon}))
		if sh.Closed != (last.NextToken == "") || sh.Closed != (len(last.Children) > 0) {
			n.t.Fatalf("shard %s: closed %v, token %q, children %v", sh.ID, sh.Closed, last.NextToken, last.Children)
		}
		for i, r := range records {
			if !sh.Range.Contains(stream.HashOf(r.key)) {
				n.t.Fatalf("record %q with key %q is in shard %v", r.data, r.key, sh.Range)
			}
			if i > 0 && records[i-1].stamp.Sequence.Compare(r.stamp.Sequence) >= 0 {
				n.t.Fatalf("numbers do not increase in shard %s", sh.ID)
			}
			if r.stamp.ArrivedMs < sh.OpenedMs || sh.Closed && r.stamp.ArrivedMs > sh.ClosedMs {
				n.t.Fatalf("record arrived at %d, shard %s was open from %d to %d", r.stamp.ArrivedMs, sh.ID, sh.OpenedMs, sh.ClosedMs)
			}
		}
		all = append(all, records...)
	}
	return all
}

// checkTiling fails unless these shards cover the hash space exactly once.
func checkTiling(t *testing.T, what string, shards []ShardInfo) {
	t.Helper()
	at := stream.HashKey{}
	left := append([]ShardInfo(nil), shards...)
	for len(left) > 0 {
		found := false
		for i, sh := range left {
			if sh.Range.Start == at {
				found = true
				left = append(left[:i], left[i+1:]...)
				at = sh.Range.End.Next()
				break
			}
		}
		if !found {
			t.Fatalf("%s: a gap or an overlap at %v", what, at)
		}
	}
	if at != (stream.HashKey{}) || len(shards) == 0 {
		t.Fatalf("%s: covered up to %v only", what, at)
	}
}

// crashed is what a power cut leaves of a file system: what was synced.
func crashed(files *storage.MemFS) *storage.MemFS { return files.CrashClone(storage.CrashCloneCfg{}) }
