package inspect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/internal/node"
	"github.com/runnel-io/runnel/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testStream  = "orders"
	testShards  = 2
	testRecords = 300
)

// data are directories of a node as a clean stop and as kill -9 leave them.
type data struct{ clean, killed string }

// makeData runs a node, puts records into it in two lives, and copies its
// directory before it stops.
func makeData(t *testing.T) data {
	t.Helper()
	dir := t.TempDir()
	d := data{clean: filepath.Join(dir, "clean"), killed: filepath.Join(dir, "killed")}
	for life := range 2 {
		n := start(t, d.clean)
		if life == 0 {
			create(t, n)
		}
		put(t, n, testRecords/2)
		if life == 1 {
			copyDir(t, d.killed, d.clean)
		}
		stop(t, n)
	}
	return d
}

func start(t *testing.T, dir string) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), node.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func stop(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, n *node.Node) {
	t.Helper()
	if err := n.Broker().CreateStream(t.Context(), testStream, testShards, 24); err != nil {
		t.Fatal(err)
	}
	for {
		info, err := n.Broker().DescribeStream(t.Context(), testStream)
		if err != nil {
			t.Fatal(err)
		}
		if info.Status == broker.StatusActive {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// put puts records one after the other, so that each is a block.
func put(t *testing.T, n *node.Node, records int) {
	t.Helper()
	for i := range records {
		r := broker.PutRecord{PartitionKey: fmt.Sprint("key ", i), Data: []byte(strings.Repeat(fmt.Sprint("data ", i), 10))}
		results, err := n.Broker().Put(t.Context(), testStream, []broker.PutRecord{r})
		if err == nil {
			err = results[0].Err
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// fingerprint is the name, time, mode and content of every file.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = fmt.Sprint(info.ModTime(), info.Mode())
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		all[path] += fmt.Sprintf(" %x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// look inspects a directory and wants it unchanged.
func look(t *testing.T, dir string) (*Report, error) {
	t.Helper()
	before := fingerprint(t, dir)
	r, err := Run(t.Context(), Config{Dir: dir})
	if !maps.Equal(before, fingerprint(t, dir)) {
		t.Error("inspecting has changed the directory")
	}
	return r, err
}

func TestGoodData(t *testing.T) {
	d := makeData(t)
	for name, dir := range map[string]string{"clean": d.clean, "killed": d.killed} {
		r, err := look(t, dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(r.Findings) != 0 {
			t.Errorf("%s: %v", name, r.Findings)
		}
		var records, counted uint64
		shards := 0
		for _, g := range r.Groups {
			for _, s := range g.Shards {
				records, shards = records+s.Records, shards+1
				if s.Stream != testStream || s.LastPosition == 0 || s.Bytes == 0 {
					t.Errorf("%s: shard %+v", name, s)
				}
			}
			for _, s := range g.Segments {
				counted += s.FoundBlocks
				if s.FoundBlocks != s.Blocks || s.FoundBytes != s.Bytes || s.Blocks == 0 {
					t.Errorf("%s: segment %+v", name, s)
				}
			}
			l := g.Log
			if l.Last == 0 || l.Term < 2 || l.VotedFor != r.Node || l.Watermark != l.Last || l.Applied > l.Last || len(l.Members) != 1 {
				t.Errorf("%s: log %+v", name, l)
			}
		}
		// Each record is a block. The last may be in the log only.
		unapplied := r.Verified.Unapplied
		if unapplied > 1 || name == "clean" && unapplied > 0 {
			t.Errorf("%s: %d blocks are not applied", name, unapplied)
		}
		if records+unapplied != testRecords || shards != testShards || r.Verified.Records != testRecords || counted != records {
			t.Errorf("%s: %d records in %d shards, verified %+v", name, records, shards, r.Verified)
		}
		if len(r.Streams) != 1 || r.Streams[0].Name != testStream || len(r.Node) != 16 || r.Metadata.Last == 0 || r.Metadata.Watermark != r.Metadata.Last {
			t.Errorf("%s: node %s, streams %+v, metadata %+v", name, r.Node, r.Streams, r.Metadata)
		}
	}
	stop(t, start(t, d.killed)) // inspecting has not made the start impossible
}

func TestRunningNode(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir)
	if _, err := Run(t.Context(), Config{Dir: dir}); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("a running node: %v", err)
	}
	create(t, n) // it has kept its lock, and works
	put(t, n, 1)
	stop(t, n)
}

func TestNoData(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := Run(t.Context(), Config{Dir: dir}); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestStopped(t *testing.T) {
	d := makeData(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Too small to be stopped amid it: it ends either way, and frees the lock.
	if _, err := Run(ctx, Config{Dir: d.clean}); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	done := int64(0)
	if _, err := Run(t.Context(), Config{Dir: d.clean, Progress: func(n, total int64) { done = n; _ = total }}); err != nil || done == 0 {
		t.Errorf("%d bytes were told, %v", done, err)
	}
}

// kinds are those of the findings, sorted, each once.
func kinds(r *Report) []Kind {
	found := map[Kind]bool{}
	for _, f := range r.Findings {
		found[f.Kind] = true
	}
	return slices.Sorted(maps.Keys(found))
}
