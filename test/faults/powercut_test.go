//go:build faults

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/runnel-io/runnel/stream"
	"github.com/runnel-io/runnel/test/faults/lossyfs"
)

// TestPowerCuts cuts the power of a node whose disk loses whatever was not
// synced: under load, while it starts, after a clean stop. After each cut
// everything acknowledged is there, and everything that a reader was served.
func TestPowerCuts(t *testing.T) {
	h := newHouse(t)
	h.begin(t, program(t, asItShips))
	for i := range size(t, "RUNNEL_FUSE_CUTS", 8) {
		if err := h.cycle(t, program(t, asItShips), i); err != nil {
			t.Fatalf("round %d: %v\n%s", i, err, h.node.log)
		}
	}
	h.ledger.report(t, "%d power cuts", h.cuts)
}

// TestPowerCutsCatchMissingSync does the same to a build that skips the sync of
// the log, in a directory that the build that ships has made and synced. If that
// got through, TestPowerCuts would prove nothing.
func TestPowerCutsCatchMissingSync(t *testing.T) {
	h := newHouse(t)
	h.begin(t, program(t, asItShips))
	if err := h.cycle(t, program(t, asItShips), 0); err != nil {
		t.Fatalf("%v\n%s", err, h.node.log)
	}
	const enough = 8
	for i := range enough {
		err := h.cycle(t, program(t, nosync), i)
		var b *brokenPromise
		switch {
		case errors.As(err, &b):
			t.Logf("caught by cut %d: %.400v", h.cuts, err)
			return
		case err != nil:
			t.Fatalf("cut %d: not a broken promise, but %v\n%s", i, err, h.node.log)
		}
	}
	t.Fatalf("a build that does not sync lost nothing in %d power cuts", enough)
}

// house is a disk whose power can be cut, and the node on it.
type house struct {
	disk   *lossyfs.Disk
	rng    *rand.Rand
	dir    string
	ledger *ledger
	node   *node
	cuts   int
}

// brokenPromise is what a node with a sound disk must never show.
type brokenPromise struct{ error }

func newHouse(t *testing.T) *house {
	t.Helper()
	needsMount(t)
	seed := rand.Uint64()
	if text := os.Getenv("RUNNEL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("RUNNEL_SEED=%d", seed)
	disk, err := lossyfs.Mount(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	l := newLedger()
	l.large = 50
	return &house{
		disk: disk, rng: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(disk.Mountpoint(), "data"), ledger: l,
	}
}

// begin starts the first node and makes the stream.
func (h *house) begin(t *testing.T, bin string) {
	t.Helper()
	h.node = start(t, bin, h.dir)
	create(t, h.node, 3)
}

// cycle loads the node, ends it, cuts the power, starts a node of this program
// and reads everything.
func (h *house) cycle(t *testing.T, bin string, i int) error {
	t.Helper()
	ld := h.ledger.load(t, h.node, 9)
	ld.reach(t, h.node, 1+h.rng.Int64N(1500))
	if i%3 == 2 {
		reshard(t, h.node, 1+h.rng.IntN(6))
	}
	if i%4 == 3 {
		if code := h.node.stop(t); code != 0 {
			t.Errorf("the node stopped with code %d\n%s", code, h.node.log)
		}
	}
	h.node.kill()
	ld.wait()
	h.cut(t)
	if i%2 == 1 {
		killStart(t, bin, h.dir)
		h.cut(t)
	}
	return h.restart(t, bin)
}

func (h *house) cut(t *testing.T) {
	t.Helper()
	h.cuts++
	if err := h.disk.Cut(h.rng); err != nil {
		t.Fatal(err)
	}
}

// restart starts a node and reads everything. What power cuts are no excuse for
// is a brokenPromise: damage, and what the checker finds.
func (h *house) restart(t *testing.T, bin string) error {
	t.Helper()
	var ready bool
	if h.node, ready = run(t, bin, h.dir); !ready {
		err := fmt.Errorf("the node ended with code %d: %s", h.node.code, lastLine(h.node.log.String()))
		if h.node.code == exitCorrupt {
			err = &brokenPromise{err}
		}
		return err
	}
	if err := h.ledger.read(t, h.node); err != nil {
		if code := stream.CodeOf(err); code == stream.CodeCorrupt || code == stream.CodeNotFound {
			err = &brokenPromise{err}
		}
		return err
	}
	if err := h.ledger.checker.Check().Err(); err != nil {
		return &brokenPromise{err}
	}
	return nil
}
