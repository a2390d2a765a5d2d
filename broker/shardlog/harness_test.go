package shardlog

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// tester is what a test and a rapid check have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

func newStore(t tester) *storage.Store {
	t.Helper()
	s, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatalf("close the store: %v", err)
		}
	})
	return s
}

// replica plays the log of a group into a machine as raftlog does: rows are
// stored by the append, entries are applied in batches of any size.
type replica struct {
	t       tester
	store   *storage.Store
	m       *Machine
	cache   *tailcache.Cache
	log     []raftlog.Committed
	applied int
	results []any
}

func newReplica(t tester, cacheBytes int64) *replica {
	r := &replica{t: t, store: newStore(t), cache: tailcache.New(cacheBytes)}
	r.start()
	return r
}

// start makes the machine anew from the store, as after a restart.
func (r *replica) start() {
	r.t.Helper()
	r.m = New(Config{Group: 1, Store: r.store, Cache: r.cache})
	if err := r.m.Restore(r.store); err != nil {
		r.t.Fatalf("restore: %v", err)
	}
}

// append stores an entry and its rows.
func (r *replica) append(e raftlog.Committed) {
	r.t.Helper()
	e.Index = uint64(len(r.log) + 1)
	b := r.store.NewBatch()
	for _, row := range e.Rows {
		b.Set(row.Key, row.Value)
	}
	r.commit(b, true)
	r.log = append(r.log, e)
}

func (r *replica) commit(b *storage.Batch, sync bool) {
	r.t.Helper()
	if err := b.Commit(sync); err != nil {
		r.t.Fatalf("commit: %v", err)
	}
}

// apply applies the next n entries in one batch.
func (r *replica) apply(n int) {
	r.t.Helper()
	if err := r.tryApply(n); err != nil {
		r.t.Fatalf("apply: %v", err)
	}
}

func (r *replica) tryApply(n int) error {
	r.t.Helper()
	b := r.store.NewBatch()
	results, err := r.m.ApplyBatch(b, r.log[r.applied:r.applied+n])
	if err != nil {
		return err
	}
	if len(results) != n {
		r.t.Fatalf("%d answers to %d entries", len(results), n)
	}
	r.commit(b, false)
	r.m.Published(r.log[r.applied+n-1].Index)
	r.applied += n
	r.results = append(r.results, results...)
	return nil
}

// do appends and applies one command and returns its answer.
func (r *replica) do(at Stamp, c Command, rows ...raftlog.Row) any {
	r.t.Helper()
	r.append(raftlog.Committed{Term: at.Term, Command: Encode(nil, at, c), Rows: rows})
	r.apply(len(r.log) - r.applied)
	return r.results[len(r.results)-1]
}

func (r *replica) doShards(at Stamp, c Command) []ShardAnswer {
	r.t.Helper()
	a, ok := r.do(at, c).(Answer)
	if !ok {
		r.t.Fatalf("%T was answered with %v", c, r.results[len(r.results)-1])
	}
	return a.Shards
}

// opened prepares and opens shards.
func (r *replica) opened(at Stamp, specs ...ShardSpec) {
	r.t.Helper()
	r.doShards(at, Prepare{Shards: specs})
	var open OpenShards
	for _, s := range specs {
		open.Shards = append(open.Shards, Opening{ID: s.ID})
	}
	for _, a := range r.doShards(at, open) {
		if a.Err != nil || a.State.Phase != Open {
			r.t.Fatalf("open: %+v", a)
		}
	}
}

func id(index uint32) stream.ShardID { return stream.ShardID{Stream: 7, Index: index} }

func spec(index uint32, hours uint32) ShardSpec {
	return ShardSpec{ID: id(index), CreatedSec: 1_700_000_000, RetentionHours: hours}
}

func texts(prefix string, n int) []stream.Record {
	records := make([]stream.Record, n)
	for i := range records {
		records[i] = stream.Record{PartitionKey: "k", Data: fmt.Appendf(nil, "%s-%d", prefix, i)}
	}
	return records
}

// blockRow makes the row of a block.
func blockRow(class uint8, segment uint64, shard stream.ShardID, first stream.Position, ms int64, records []stream.Record) raftlog.Row {
	k := key.BlockKey{Group: 1, Class: class, Segment: segment, Shard: shard, First: first}
	return raftlog.Row{
		Key:   k.Append(nil),
		Value: stream.AppendBlock(nil, stream.BlockHeader{First: first, ArrivedMs: ms}, records),
	}
}

// put appends records to a shard the way a leader would.
func (r *replica) put(at Stamp, shard stream.ShardID, records []stream.Record) {
	r.t.Helper()
	if res := r.do(at, Append{}, r.place(at, shard, records)); res != nil {
		r.t.Fatalf("append: %v", res)
	}
}

// place chooses class, segment and position from the tip.
func (r *replica) place(at Stamp, shard stream.ShardID, records []stream.Record) raftlog.Row {
	tip := r.m.Tip()
	s, _ := r.m.Shard(shard)
	class := ClassOf(s.RetentionHours)
	segment := tip.Current[class].Segment
	if tip.Current[class].Blocks == 0 || tip.Current[class].Bytes >= tip.SegmentBytes {
		segment++
	}
	return blockRow(class, segment, shard, tip.Next, at.Ms, records)
}

type got struct {
	position stream.Position
	ms       int64
	data     string
}

// readAll reads a shard from a position to its end, in steps.
func (r *replica) readAll(shard stream.ShardID, from stream.Position, floorMs int64, step int) []got {
	r.t.Helper()
	var out []got
	for {
		blocks, next, err := r.m.Read(shard, from, floorMs, step, 1<<20)
		if err != nil {
			r.t.Fatalf("read %v from %d: %v", shard, from, err)
		}
		for _, b := range blocks {
			for p, rec := range b.From(from) {
				out = append(out, got{p, b.Header().ArrivedMs, string(rec.Data)})
			}
		}
		if len(blocks) == 0 {
			return out
		}
		if next <= from {
			r.t.Fatalf("read from %d goes on at %d", from, next)
		}
		from = next
	}
}

// dump is all rows of the store except what belongs to the log.
func (r *replica) dump() string {
	r.t.Helper()
	var out bytes.Buffer
	err := scan(r.store, []byte{0}, bytes.Repeat([]byte{0xff}, 8), func(k, v []byte) error {
		fmt.Fprintf(&out, "%s = %s\n", hex.EncodeToString(k), hex.EncodeToString(v))
		return nil
	})
	if err != nil {
		r.t.Fatalf("dump: %v", err)
	}
	return out.String()
}
