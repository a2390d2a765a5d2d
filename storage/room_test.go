package storage

import (
	"fmt"
	"testing"
)

func TestMakeRoom(t *testing.T) {
	s := open(t, Config{Dir: "data", FS: NewCrashableMem(), MemtableBytes: 256 << 10})
	defer mustClose(t, s)
	holds := func() int64 { return s.events.filled.Load() }
	for _, c := range []struct {
		want, put int64
		begins    bool // a memtable
	}{
		{100 << 10, 100 << 10, false},
		{100 << 10, 50 << 10, false},
		{100 << 10, 100 << 10, true},
		{200 << 10, 10, true},
		{200 << 10, 10, false},
		{1 << 40, 10, true}, // more than a memtable can hold
	} {
		before := holds()
		if err := s.MakeRoom(c.want); err != nil {
			t.Fatal(err)
		}
		if begun := before > 0 && holds() == 0; begun != c.begins {
			t.Errorf("room for %d beside %d: a memtable was begun: %v", c.want, before, begun)
		}
		set(t, s, true, "row", string(make([]byte, c.put)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := holds(); n != 0 {
		t.Errorf("after a flush the memtable holds %d bytes", n)
	}
}

// What is committed without a sync before room is made survives with a later
// synced commit, though that is in another log.
func TestMakeRoomKeepsTheOrder(t *testing.T) {
	fs := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: fs})
	for i := range 20 {
		before, after := fmt.Sprint("before", i), fmt.Sprint("after", i)
		set(t, s, false, before, "1")
		if err := s.MakeRoom(1 << 40); err != nil {
			t.Fatal(err)
		}
		set(t, s, true, after, "1")
		crashed := open(t, Config{Dir: "data", FS: fs.CrashClone(CrashCloneCfg{})})
		for _, k := range []string{before, after} {
			if _, ok := read(t, crashed, k); !ok {
				t.Errorf("%s is lost", k)
			}
		}
		mustClose(t, crashed)
	}
	mustClose(t, s)
}

// Memtables take nothing off the cache that is meant for tables.
func TestCacheBesideMemtables(t *testing.T) {
	const mib = 1 << 20
	s := open(t, Config{Dir: "data", FS: NewCrashableMem(), MemtableBytes: mib, BlockCacheBytes: mib})
	defer mustClose(t, s)
	for i := range 8 * 16 { // memtables grow to their full size only by and by
		set(t, s, true, fmt.Sprint("row", i), string(make([]byte, mib/16)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := read(t, s, "row0"); !ok {
			t.Fatal("a row is lost")
		}
	}
	if hits := s.Metrics().CacheHits; hits == 0 {
		t.Error("what was just read is not in the cache")
	}
}
