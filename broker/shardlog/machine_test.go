package shardlog

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

const hour = msPerHour

func TestRecordsComeBackInOrder(t *testing.T) {
	for name, cache := range map[string]int64{"from the cache": 1 << 20, "from the store": 0} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, cache)
			r.opened(Stamp{1, 1000}, spec(0, 24), spec(1, 24))
			for i := range 10 {
				r.put(Stamp{1, int64(1000 + i)}, id(uint32(i%2)), texts(string(rune('a'+i)), 3))
			}
			if cache == 0 {
				r.start()
			}
			all := r.readAll(id(0), 0, 0, 4)
			if len(all) != 15 || all[0] != (got{1, 1000, "a-0"}) || all[14].data != "i-2" {
				t.Fatalf("read %v", all)
			}
			for i := range all[1:] {
				if all[i+1].position <= all[i].position {
					t.Fatalf("positions go back: %v", all)
				}
			}
			from := all[7].position
			if rest := r.readAll(id(0), from, 0, 100); !reflect.DeepEqual(rest, all[7:]) {
				t.Fatalf("from %d: %v", from, rest)
			}
			// A position that another shard has: the next record follows.
			if rest := r.readAll(id(0), all[3].position-1, 0, 100); !reflect.DeepEqual(rest, all[3:]) {
				t.Fatalf("from between: %v", rest)
			}
		})
	}
}

func TestRefusedBlocksLeaveNoRow(t *testing.T) {
	r := newReplica(t, 1<<20)
	r.opened(Stamp{1, 1000}, spec(0, 24), spec(1, 24))
	r.put(Stamp{1, 1000}, id(0), texts("a", 1))
	r.doShards(Stamp{1, 1001}, Prepare{Shards: []ShardSpec{spec(2, 24)}})
	r.doShards(Stamp{1, 1001}, CloseShards{Shards: []stream.ShardID{id(1)}, MetaIndex: 77})
	at := Stamp{1, 1002}
	rows := []raftlog.Row{
		blockRow(0, 1, id(0), 2, at.Ms, texts("taken", 1)),
		blockRow(0, 1, id(1), 3, at.Ms, texts("closed", 1)),
		blockRow(0, 1, id(2), 4, at.Ms, texts("not open", 1)),
		blockRow(0, 1, id(9), 5, at.Ms, texts("unknown", 1)),
		blockRow(2, 1, id(0), 6, at.Ms, texts("other class", 1)),
		blockRow(0, 7, id(0), 7, at.Ms, texts("other segment", 1)),
	}
	errs, ok := r.do(at, Append{}, rows...).([]error)
	if !ok || len(errs) != len(rows) || errs[0] != nil {
		t.Fatalf("answers %v", errs)
	}
	var closed *ClosedError
	if !errors.As(errs[1], &closed) || closed.MetaIndex != 77 || stream.CodeOf(errs[1]) != stream.CodeUnavailable {
		t.Errorf("closed shard: %v", errs[1])
	}
	want := []stream.Code{0, stream.CodeUnavailable, stream.CodeUnavailable, stream.CodeNotFound, stream.CodeUnavailable, stream.CodeInternal}
	for i := 1; i < len(errs); i++ {
		if stream.CodeOf(errs[i]) != want[i] {
			t.Errorf("block %d: %v", i, errs[i])
		}
		if _, found, err := get(r.store, rows[i].Key); found || err != nil {
			t.Errorf("refused block %d is still stored: %v", i, err)
		}
	}
	if next := r.m.NextPosition(); next != 8 {
		t.Errorf("next position is %d: refused positions must not be given again", next)
	}
	if all := r.readAll(id(0), 0, 0, 10); len(all) != 2 {
		t.Errorf("read %v", all)
	}
}

func TestStaleAndLateEntriesAreRefused(t *testing.T) {
	r := newReplica(t, 1<<20)
	r.opened(Stamp{1, 5000}, spec(0, 24))
	stale := blockRow(0, 1, id(0), 1, 5000, texts("stale", 1))
	r.append(raftlog.Committed{Term: 2, Command: Encode(nil, Stamp{1, 5000}, Append{}), Rows: []raftlog.Row{stale}})
	r.append(raftlog.Committed{Term: 2, Command: Encode(nil, Stamp{1, 5000}, Append{})}) // its rows were not even stored
	r.append(raftlog.Committed{Term: 2, Command: Encode(nil, Stamp{1, 9000}, CloseShards{Shards: []stream.ShardID{id(0)}})})
	late := blockRow(0, 1, id(0), 2, 4999, texts("late", 1))
	r.append(raftlog.Committed{Term: 2, Command: Encode(nil, Stamp{2, 4999}, Append{}), Rows: []raftlog.Row{late}})
	r.apply(4)
	for i, res := range r.results[len(r.results)-4:] {
		if err, ok := res.(error); !ok || stream.CodeOf(err) != stream.CodeUnavailable {
			t.Errorf("entry %d was answered with %v", i, res)
		}
	}
	for _, row := range []raftlog.Row{stale, late} {
		if _, found, _ := get(r.store, row.Key); found {
			t.Error("a refused block is still stored")
		}
	}
	if s, _ := r.m.Shard(id(0)); s.Phase != Open || r.m.GroupTimeMs() != 5000 || r.m.NextPosition() != 3 {
		t.Errorf("shard %+v, time %d, next %d", s, r.m.GroupTimeMs(), r.m.NextPosition())
	}
}

func TestBrokenEntriesHaltTheGroup(t *testing.T) {
	good := func() raftlog.Row { return blockRow(0, 1, id(0), 2, 2000, texts("a", 2)) }
	append1 := Encode(nil, Stamp{1, 2000}, Append{})
	flipped := good()
	flipped.Value[40] ^= 1
	cases := map[string]raftlog.Committed{
		"a position given twice":   {Term: 1, Command: append1, Rows: []raftlog.Row{blockRow(0, 1, id(0), 1, 2000, texts("a", 1))}},
		"an unknown version":       {Term: 1, Command: append([]byte{99}, append1[1:]...)},
		"an unknown kind":          {Term: 1, Command: append([]byte{1, 99}, append1[2:]...)},
		"an empty command":         {Term: 1},
		"bytes left over":          {Term: 1, Command: append(append1[:len(append1):len(append1)], 0)},
		"a damaged block":          {Term: 1, Command: append1, Rows: []raftlog.Row{flipped}},
		"a stamp in disagreement":  {Term: 1, Command: Encode(nil, Stamp{1, 2001}, Append{}), Rows: []raftlog.Row{good()}},
		"a key that is no block's": {Term: 1, Command: append1, Rows: []raftlog.Row{{Key: []byte("x"), Value: good().Value}}},
		"rows of a control":        {Term: 1, Command: Encode(nil, Stamp{1, 2000}, Trim{}), Rows: []raftlog.Row{good()}},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, 1<<20)
			r.opened(Stamp{1, 1000}, spec(0, 24))
			r.put(Stamp{1, 1000}, id(0), texts("first", 1))
			r.append(e)
			if err := r.tryApply(1); err == nil {
				t.Fatal("the entry was applied")
			}
		})
	}
}

func TestReshardStepsMayBeRepeated(t *testing.T) {
	r := newReplica(t, 1<<20)
	r.opened(Stamp{1, 1000}, spec(0, 24))
	r.put(Stamp{1, 1500}, id(0), texts("a", 2))
	child := spec(1, 24)
	prepare, closing := Prepare{Shards: []ShardSpec{child}}, CloseShards{Shards: []stream.ShardID{id(0)}, MetaIndex: 5}
	open := OpenShards{Shards: []Opening{{ID: id(1), ArrivalFloorMs: 9000}}}
	var first []ShardAnswer
	for i := range 3 {
		at := Stamp{1, int64(2000 + i)}
		r.doShards(at, prepare)
		closed := r.doShards(at, closing)[0]
		opened := r.doShards(at, open)[0]
		if first == nil {
			first = []ShardAnswer{closed, opened}
		}
		if !reflect.DeepEqual(first, []ShardAnswer{closed, opened}) {
			t.Fatalf("round %d: %+v, first %+v", i, []ShardAnswer{closed, opened}, first)
		}
	}
	c, o := first[0].State, first[1].State
	if c.Phase != Closed || c.EndPosition != 2 || c.ClosedMs != 2000 || o.Phase != Open || o.ArrivalFloorMs != 9000 {
		t.Errorf("closed %+v, opened %+v", c, o)
	}
	// The child's records are not stamped before its parents were closed.
	errs, _ := r.do(Stamp{1, 8999}, Append{}, r.place(Stamp{1, 8999}, id(1), texts("b", 1))).([]error)
	if len(errs) != 1 || stream.CodeOf(errs[0]) != stream.CodeUnavailable {
		t.Errorf("a record before the floor: %v", errs)
	}
	r.put(Stamp{1, 9000}, id(1), texts("b", 1))
}

func TestWait(t *testing.T) {
	r := newReplica(t, 1<<20)
	r.opened(Stamp{1, 1000}, spec(0, 24), spec(1, 24), spec(2, 24))
	ctx, cancel := context.WithCancel(t.Context())
	const waiters = 1000
	woken := make(chan error, waiters)
	for range waiters {
		go func() { woken <- r.m.Wait(ctx, id(0), 2) }()
	}
	closed, deleted, gone := make(chan error), make(chan error), make(chan error)
	go func() { closed <- r.m.Wait(ctx, id(1), 100) }()
	go func() { deleted <- r.m.Wait(ctx, id(2), 100) }()
	go func() { gone <- r.m.Wait(ctx, id(0), 100) }()
	r.put(Stamp{1, 1000}, id(0), texts("a", 1)) // position 1 wakes nobody for good
	r.put(Stamp{1, 1000}, id(0), texts("a", 1))
	for range waiters {
		if err := <-woken; err != nil {
			t.Fatal(err)
		}
	}
	r.doShards(Stamp{1, 1000}, CloseShards{Shards: []stream.ShardID{id(1)}})
	r.doShards(Stamp{1, 1000}, DeleteShards{Shards: []stream.ShardID{id(2)}})
	if err := <-closed; err != nil {
		t.Errorf("closed: %v", err)
	}
	if err := <-deleted; stream.CodeOf(err) != stream.CodeNotFound {
		t.Errorf("deleted: %v", err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDamageIsNamedAndNotServed(t *testing.T) {
	r := newReplica(t, 0)
	r.opened(Stamp{1, 1000}, spec(0, 24))
	r.put(Stamp{1, 1000}, id(0), texts("a", 1))
	row := r.place(Stamp{1, 1001}, id(0), texts("b", 1))
	r.do(Stamp{1, 1001}, Append{}, row)
	r.put(Stamp{1, 1002}, id(0), texts("c", 1))
	row.Value[len(row.Value)-6] ^= 4
	b := r.store.NewBatch()
	b.Set(row.Key, row.Value)
	r.commit(b, true)
	var told error
	r.start()
	r.m.cfg.OnCorrupt = func(err error) { told = err }
	if blocks, _, err := r.m.Read(id(0), 1, 0, 1, 1); err != nil || len(blocks) != 1 {
		t.Errorf("the sound block before: %v", err)
	}
	_, _, err := r.m.Read(id(0), 2, 0, 10, 1<<20)
	if stream.CodeOf(err) != stream.CodeCorrupt || told == nil || !strings.Contains(err.Error(), "position 2") {
		t.Errorf("read the damaged block: %v, told %v", err, told)
	}
}
