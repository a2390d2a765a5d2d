//go:build faults

package faults

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/runnel-io/runnel/test/faults/lossyfs"
)

// TestPowerCuts cuts the power of a node under load whose disk loses whatever
// was not synced. After each cut everything acknowledged is there.
func TestPowerCuts(t *testing.T) {
	cuts := size(t, "RUNNEL_FUSE_CUTS", 8)
	l, err := powerCuts(t, program(t, asItShips), cuts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d power cuts: %+v", cuts, l.checker.Counts())
}

// TestPowerCutsCatchMissingSync does the same to a build that skips the sync of
// the log. If that got through, TestPowerCuts would prove nothing.
func TestPowerCutsCatchMissingSync(t *testing.T) {
	_, err := powerCuts(t, program(t, nosync), 8)
	if err == nil {
		t.Fatal("a build that does not sync lost nothing")
	}
	t.Logf("caught: %.300v", err)
}

func powerCuts(t *testing.T, bin string, cuts int) (*ledger, error) {
	t.Helper()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	disk, err := lossyfs.Mount(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk.Mountpoint(), "data")
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 3)
	for i := range cuts {
		ld := l.load(t, n, 9)
		l.until(t, rng.Int64N(1500))
		if i%3 == 2 {
			reshard(t, n, 1+rng.IntN(6))
		}
		n.kill()
		ld.wait()
		if err := disk.Cut(rng); err != nil {
			t.Fatal(err)
		}
		var ready bool
		if n, ready = run(t, bin, dir); !ready {
			return nil, fmt.Errorf("after cut %d the node ended with code %d\n%s", i, n.code, n.log)
		}
		if err := l.check(t, n); err != nil {
			return nil, fmt.Errorf("after cut %d: %w\n%s", i, err, n.log)
		}
	}
	n.kill()
	return l, nil
}
