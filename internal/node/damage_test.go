package node

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/stream"
)

// A damaged block is not served, what is sound is, and the node no longer calls
// itself ready.
func TestDamageIsNotReady(t *testing.T) {
	c := &cutter{rng: rand.New(rand.NewPCG(1, 0)), fs: storage.NewCrashableMem(), ledger: newLedger()}
	if err := c.cycle(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	n, err := c.start(t.Context(), c.fs) // it writes what is in the log to tables
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.healthy(t.Context()), n.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	flipData(t, c.fs)
	n, err = Start(t.Context(), Config{DataDir: "data", FS: c.fs})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close(t.Context()) }() // it may not be able to write its tables
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.ledger.check(t.Context(), n.Broker(), cutStream); stream.CodeOf(err) != stream.CodeCorrupt {
		t.Fatalf("a reading of everything: %v", err)
	}
	if err := n.healthy(t.Context()); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("with a damaged block the node says of itself: %v", err)
	}
}

// flipData flips a bit of a record: in the middle of the largest table.
func flipData(t *testing.T, fs storage.FS) {
	t.Helper()
	dir := StoreDir("data")
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var largest string
	var most int64
	for _, name := range names {
		size, err := faultfs.Size(fs, fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".sst") && size > most {
			largest, most = fs.PathJoin(dir, name), size
		}
	}
	if err := faultfs.Flip(fs, largest, most/2, 1); err != nil {
		t.Fatal(err)
	}
}
