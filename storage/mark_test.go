package storage

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/storage/faultfs"
)

func TestMark(t *testing.T) {
	fs := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: fs})
	m, v, err := s.OpenMark("m")
	if err != nil || v != nil {
		t.Fatalf("a new mark has %q, %v", v, err)
	}
	for i := range 5 {
		if err := m.Set([]byte{byte(i)}, i%2 == 0); err != nil {
			t.Fatal(err)
		}
		if _, v, err := s.OpenMark("m"); err != nil || string(v) != string([]byte{byte(i)}) {
			t.Fatalf("mark has %x, %v, want %d", v, err, i)
		}
	}
	crashed := fs.CrashClone(CrashCloneCfg{})
	s = open(t, Config{Dir: "data", FS: crashed})
	if _, v, err = s.OpenMark("m"); err != nil || string(v) != "\x04" {
		t.Errorf("after a power cut the synced mark has %x, %v", v, err)
	}
	if err := m.Set(make([]byte, MaxMarkBytes+1), false); err == nil {
		t.Error("a mark that is too large was accepted")
	}
}

// TestMarkUnderPowerCuts sets growing values, some synced. After a power cut
// the mark has the last synced one or a later one.
func TestMarkUnderPowerCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := NewCrashableMem()
		var value, synced uint64
		for range rapid.IntRange(1, 4).Draw(t, "cuts") {
			s, err := Open(Config{Dir: "data", FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			m, b, err := s.OpenMark("m")
			if err != nil {
				t.Fatalf("after %d values, %d of them synced: %v", value, synced, err)
			}
			if len(b) == 8 {
				value = binary.LittleEndian.Uint64(b)
			} else {
				value = 0
			}
			if value < synced {
				t.Fatalf("the mark has %d, %d was synced", value, synced)
			}
			for _, how := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 6).Draw(t, "sets") {
				value++
				if err := m.Set(binary.LittleEndian.AppendUint64(nil, value), how == 0); err != nil {
					t.Fatal(err)
				}
				if how == 1 {
					if err := m.Sync(); err != nil {
						t.Fatal(err)
					}
				}
				if how < 2 {
					synced = value
				}
			}
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			next := fs.CrashClone(CrashCloneCfg{UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(t, "kept"), RNG: rng})
			if err := errors.Join(m.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
			fs = next
		}
	})
}

// TestDamagedMark flips every bit of both slots: the value is the newest, the
// one before it, or an error, never another.
func TestDamagedMark(t *testing.T) {
	fs := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: fs})
	m, _, err := s.OpenMark("m")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"one", "two"} {
		if err := m.Set([]byte(v), true); err != nil {
			t.Fatal(err)
		}
	}
	for at := int64(markSlotBase); at < markSlotBase+2*markSlot; at++ {
		for bit := range 8 {
			damaged := keepAll(fs)
			if err := faultfs.Flip(damaged, "data/m", at, 1<<bit); err != nil {
				t.Fatal(err)
			}
			v, _, err := readMark(damaged, "data/m")
			if err != nil || string(v) != "two" && string(v) != "one" {
				t.Fatalf("byte %d, bit %d: %q, %v", at, bit, v, err)
			}
			if at < markSlotBase+markSlot && string(v) == "two" && at%markSlot < 22 {
				t.Fatalf("byte %d, bit %d of the newest slot was not noticed", at, bit)
			}
		}
	}
	for _, at := range []int64{markSlotBase + 6, markSlotBase + markSlot + 6} {
		if err := faultfs.Flip(fs, "data/m", at, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.OpenMark("m"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with both slots damaged: %v", err)
	}
	mustClose(t, s)
}

// TestSyncBesideSet is for the race detector, and for what watches over slow
// operations, which forbids two at once on a file that it watches.
func TestSyncBesideSet(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	defer mustClose(t, s)
	m, _, err := s.OpenMark("m")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 500 {
			if err := m.Set([]byte("value"), false); err != nil {
				t.Error(err)
			}
		}
	})
	for range 50 {
		if err := m.Sync(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
