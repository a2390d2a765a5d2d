package node

import (
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
)

// A start that finds no space for what it has to write ends and says so: nobody
// waits for a node that can not go on.
func TestStartOnAFullDisk(t *testing.T) {
	c := &cutter{rng: rand.New(rand.NewPCG(1, 0)), fs: storage.NewCrashableMem(), ledger: newLedger()}
	if err := c.cycle(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	full := faultfs.Hook(c.fs, func(path string) error {
		if strings.HasSuffix(path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})
	ended := make(chan error, 1)
	go func() {
		_, err := Start(t.Context(), Config{DataDir: "data", FS: full})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, storage.ErrDiskFull) {
			t.Fatalf("the start ended with: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the start goes on for ever")
	}
}
