package storage

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runnel-io/runnel/storage/faultfs"
)

// TestPowerCutAmidNewList cuts the power at every operation of an opening, which
// replaces the list of tables, and loses all but a few of the directory's new
// entries. The store must open.
func TestPowerCutAmidNewList(t *testing.T) {
	start := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: start})
	set(t, s, true, "a", "1")
	mustClose(t, s)
	rng := rand.New(rand.NewPCG(1, 2))
	for at := int64(1); ; at++ {
		fs := keepAll(start)
		var ops atomic.Int64
		var cuts []*MemFS
		hooked := faultfs.Hook(fs, func(path string) error {
			if ops.Add(1) == at {
				for range 20 {
					cuts = append(cuts, fs.CrashClone(CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}))
				}
			}
			return nil
		})
		s := open(t, Config{Dir: "data", FS: hooked})
		mustClose(t, s)
		if cuts == nil {
			t.Logf("%d operations", at-1)
			return
		}
		for _, cut := range cuts {
			s, err := Open(Config{Dir: "data", FS: cut})
			if err != nil {
				names, _ := cut.List("data")
				t.Fatalf("a power cut before operation %d: %v\n%s", at, err, strings.Join(names, " "))
			}
			if v, _ := read(t, s, "a"); v != "1" {
				t.Fatalf("a power cut before operation %d: a = %q", at, v)
			}
			mustClose(t, s)
		}
	}
}
