package storage

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runnel-io/runnel/storage/faultfs"
)

// TestPowerCutAmidOpening cuts the power at every operation of an opening and a
// close, which replace the list of tables, and keeps some of what was not synced.
// The store must open.
func TestPowerCutAmidOpening(t *testing.T) {
	used := NewCrashableMem()
	s := open(t, Config{Dir: "data", FS: used})
	set(t, s, true, "a", "1")
	mustClose(t, s)
	for name, start := range map[string]*MemFS{"new": NewCrashableMem(), "used": used} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for at := int64(1); ; at++ {
				cuts := cutsAt(t, keepAll(start), at, rng)
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
					if v, _ := read(t, s, "a"); v != "1" && start == used {
						t.Fatalf("a power cut before operation %d: a = %q", at, v)
					}
					mustClose(t, s)
				}
			}
		})
	}
}

// cutsAt is what power cuts may leave before the operation of this number; nil
// if there are less.
func cutsAt(t *testing.T, fs *MemFS, at int64, rng *rand.Rand) (cuts []*MemFS) {
	t.Helper()
	var ops atomic.Int64
	hooked := faultfs.Hook(fs, func(string) error {
		if ops.Add(1) == at {
			for range 8 {
				cuts = append(cuts, fs.CrashClone(CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}))
			}
		}
		return nil
	})
	mustClose(t, open(t, Config{Dir: "data", FS: hooked}))
	return cuts
}
