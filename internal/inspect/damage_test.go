package inspect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/internal/node"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// damage is what is done to a directory, and what must be said of it.
type damage struct {
	name   string
	killed bool // to one that kill -9 has left
	do     func(t *testing.T, dir string)
	want   Kind   // "" if the store can not be opened
	detail string // is in what is said
}

// edit changes rows of a stopped node.
func edit(f func(t *testing.T, s *storage.Store, b *storage.Batch)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		s, err := storage.Open(storage.Config{Dir: node.StoreDir(dir)})
		if err != nil {
			t.Fatal(err)
		}
		b := s.NewBatch()
		f(t, s, b)
		if err := b.Commit(true); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// rows are all whose keys are accepted.
func rows(t *testing.T, s *storage.Store, accept func(k []byte) bool) (keys, values [][]byte) {
	t.Helper()
	it, err := s.NewIter(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if accept(it.Key()) {
			keys, values = append(keys, bytes.Clone(it.Key())), append(values, bytes.Clone(it.Value()))
		}
	}
	if len(keys) == 0 {
		t.Fatal("no such row")
	}
	return keys, values
}

func isBlock(k []byte) bool { _, err := key.ParseBlock(k); return err == nil }
func isRun(k []byte) bool   { _, _, _, err := key.ParseShardSegment(k); return err == nil }
func isShard(k []byte) bool { _, _, err := key.ParseShard(k); return err == nil }
func isLog(k []byte) bool   { g, _, err := key.ParseLog(k); return err == nil && g == 1 }

func block(k key.BlockKey, records int) []byte {
	return stream.AppendBlock(nil, stream.BlockHeader{First: k.First, ArrivedMs: 1}, make([]stream.Record, records))
}

// in changes a file.
func in(pattern string, change func(b []byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no file %s (%v)", pattern, err)
		}
		path := slices.Max(paths)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if b = change(b); b == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func flipped(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			b = bytes.TrimRight(b, "\x00")
			at += len(b)
		}
		b[at] ^= 0x10
		return b
	}
}

func halved(b []byte) []byte { return b[:len(bytes.TrimRight(b, "\x00"))/2] }
func removed([]byte) []byte  { return nil }

var damages = []damage{
	{name: "flipped bit of a block", want: BadBlock, detail: "wrong checksum", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, values := rows(t, s, isBlock)
		values[3][40] ^= 1
		b.Set(keys[3], values[3])
	})},
	{name: "block in the place of another", want: BadBlock, detail: "begins at position", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, values := rows(t, s, isBlock)
		b.Set(keys[3], values[4])
	})},
	{name: "lost block", want: MissingRecords, detail: "records are there", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isBlock)
		b.Delete(keys[3])
	})},
	{name: "block in a segment that does not exist", want: OrphanBlock, do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, values := rows(t, s, isBlock)
		k, _ := key.ParseBlock(keys[3])
		k.Segment = 99
		b.Delete(keys[3])
		b.Set(k.Append(nil), values[3])
	})},
	{name: "block of the future", want: OrphanBlock, detail: "1 blocks lie behind what is applied", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isBlock)
		k, _ := key.ParseBlock(keys[3])
		k.First = 1 << 40
		b.Set(k.Append(nil), block(k, 1))
	})},
	{name: "position given twice", want: OverlappingRuns, do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isBlock)
		k, _ := key.ParseBlock(keys[0])
		b.Set(keys[0], block(k, 3))
		k.First++
		b.Set(k.Append(nil), block(k, 3))
	})},
	{name: "lost row of the index", want: BadRow, detail: "readers pass the block over", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isRun)
		b.Delete(keys[0])
	})},
	{name: "malformed row of the index", want: BadRow, do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isRun)
		b.Set(keys[0], []byte("?"))
	})},
	{name: "row of no kind", want: BadRow, detail: "no row has such a key", do: edit(func(_ *testing.T, _ *storage.Store, b *storage.Batch) {
		b.Set([]byte{0xee, 1}, []byte("?"))
	})},
	{name: "malformed shard", want: BadState, detail: "shard", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isShard)
		b.Set(keys[0], []byte("?"))
	})},
	{name: "malformed stream", want: BadState, detail: "metadata", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, func(k []byte) bool { _, err := key.ParseMetaStream(k); return err == nil })
		b.Set(keys[0], []byte("?"))
	})},
	{name: "hole in the log", want: BadLog, detail: "is followed by entry", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isLog)
		b.Delete(keys[len(keys)/2])
	})},
	{name: "lost end of the log", want: BadLog, detail: "but was on disk up to entry", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, _ := rows(t, s, isLog)
		b.Delete(keys[len(keys)-1])
	})},
	{name: "malformed entry", want: BadLog, detail: "fails its checksum", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		keys, values := rows(t, s, isLog)
		values[2][20] ^= 1
		b.Set(keys[2], values[2])
	})},
	{name: "malformed vote", want: BadLog, detail: "LastVoteCand", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		b.Set(key.Stable(1, "LastVoteCand"), []byte("?"))
	})},
	{name: "term set back", want: BadLog, detail: "the term is 0, but", do: edit(func(t *testing.T, s *storage.Store, b *storage.Batch) {
		b.Delete(key.Stable(1, "CurrentTerm"))
	})},
	{name: "flipped bit of the metadata's log", want: BadLog, detail: "metadata", do: in("meta/raft.db", flipped(16))},
	{name: "half of the metadata's log", want: BadLog, detail: "metadata", do: in("meta/raft.db", halved)},
	{name: "no log of the metadata", want: BadLog, detail: "raft.db is missing", do: in("meta/raft.db", removed)},
	{name: "no watermark", want: BadLog, detail: "group-1.watermark is missing", do: in("store/group-1.watermark", removed)},
	{name: "empty watermark", want: BadLog, detail: "group-0.watermark is missing", do: in("store/group-0.watermark", func([]byte) []byte { return []byte{} })},
	{name: "flipped bits of the watermark", want: BadLog, detail: "neither slot", do: in("store/group-1.watermark", func(b []byte) []byte {
		b[4096+8] ^= 1
		b[4608+8] ^= 1
		return b
	})},
	{name: "flipped end of the store's log", killed: true, want: BadLog, detail: "was on disk", do: in("store/*.log", flipped(-30))},
	{name: "half of the store's log", killed: true, want: BadLog, detail: "was on disk", do: in("store/*.log", halved)},
	{name: "no log of the store", killed: true, want: BadLog, detail: "was on disk", do: in("store/*.log", removed)},
	{name: "flipped bit of the identity", want: BadIdentity, do: in("store/identity", flipped(10))},
	{name: "no identity", want: BadIdentity, do: in("store/identity", removed)},
	{name: "no table", detail: "sstable", do: in("store/*.sst", removed)},
	{name: "short table", detail: ".sst", do: in("store/*.sst", halved)},
	{name: "flipped list of tables", detail: "list of tables", do: in("store/MANIFEST-*", flipped(40))},
	{name: "no list of tables", detail: "MANIFEST", do: in("store/MANIFEST-*", removed)},
	{name: "no marker", detail: "list of tables", do: in("store/marker.manifest.*", removed)},
}

// TestDamage does everything that can happen to a directory and wants it named.
func TestDamage(t *testing.T) {
	good := makeData(t)
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			from, dir := good.clean, filepath.Join(t.TempDir(), "data")
			if d.killed {
				from = good.killed
			}
			copyDir(t, dir, from)
			d.do(t, dir)
			r, err := look(t, dir)
			var said string
			if d.want == "" {
				if !errors.Is(err, storage.ErrCorrupt) {
					t.Fatalf("opened with %v", err)
				}
				said = err.Error()
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(kinds(r), d.want) {
					t.Errorf("found %v", r.Findings)
				}
				for _, f := range r.Findings {
					said += f.String() + "\n"
				}
			}
			if !strings.Contains(said, d.detail) {
				t.Errorf("said:\n%s", said)
			}
			t.Log(said)
		})
	}
}

// TestFlippedTable flips a bit in every part of every table. What is found is
// named, what is not found was unused.
func TestFlippedTable(t *testing.T) {
	good := makeData(t)
	tables, err := filepath.Glob(filepath.Join(good.clean, "store/*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables (%v)", err)
	}
	found, flips := 0, 0
	for _, path := range tables {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 1 + len(whole)/3 {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 4
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			flips++
			r, err := Run(t.Context(), Config{Dir: good.clean})
			switch {
			case err != nil && !errors.Is(err, storage.ErrCorrupt):
				t.Errorf("%s byte %d: %v", filepath.Base(path), at, err)
			case err != nil || len(r.Findings) > 0:
				found++
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d flips in %d tables were found", found, flips, len(tables))
	if found < flips/2 {
		t.Error("does the test reach the data?")
	}
}
