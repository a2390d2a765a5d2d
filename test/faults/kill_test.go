//go:build faults

package faults

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/runnel-io/runnel/client"
)

// TestKill kills a node in the middle of its load again and again, every third
// time while its stream is resharded, and every third time once more while it
// starts again. Each time everything is read back.
func TestKill(t *testing.T) {
	bin, dir := program(t, asItShips), t.TempDir()
	l := newLedger()
	l.large = 50 // so that kills meet memtables and segments that are full
	n := start(t, bin, dir)
	create(t, n, 3)
	kills := size(t, "RUNNEL_KILLS", 6)
	for i := range kills {
		ld := l.load(t, n, 9)
		ld.reach(t, n, 1+rand.Int64N(2000))
		if i%3 == 2 {
			reshard(t, n, 1+rand.IntN(6))
		}
		time.Sleep(rand.N(50 * time.Millisecond)) // the load's own rhythm must not choose the moment
		n.kill()
		ld.wait()
		if i%3 == 1 {
			killStart(t, bin, dir)
		}
		n = start(t, bin, dir)
		l.verify(t, n)
	}
	l.report(t, "%d kills", kills)
	if code := n.stop(t); code != 0 {
		t.Errorf("the node stopped with code %d\n%s", code, n.log)
	}
}

// reshard asks for another number of shards and does not wait.
func reshard(t *testing.T, n *node, shards int) {
	t.Helper()
	c := connect(t, n)
	info, err := c.DescribeStream(bounded(t), streamName)
	if err != nil || info.Status != client.StatusActive || info.OpenShards == shards {
		return
	}
	shards = min(shards, 2*info.OpenShards)
	shards = max(shards, (info.OpenShards+1)/2)
	if _, err := c.UpdateShardCount(bounded(t), streamName, shards); err != nil {
		t.Errorf("reshard from %d to %d: %v", info.OpenShards, shards, err)
	}
}

// TestTerm stops a node cleanly in the middle of its load. Code 0 also tells that
// it took less than the ten seconds that it gives itself.
func TestTerm(t *testing.T) {
	bin, dir := program(t, asItShips), t.TempDir()
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 3)
	ld := l.load(t, n, 9)
	ld.reach(t, n, 2000)
	if code := n.stop(t); code != 0 {
		t.Errorf("the node stopped with code %d\n%s", code, n.log)
	}
	ld.wait()
	n = start(t, bin, dir)
	l.verify(t, n)
	l.report(t, "stopped once")
}

// TestSecondProcess: a data directory has one process.
func TestSecondProcess(t *testing.T) {
	bin, dir := program(t, asItShips), t.TempDir()
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 1)
	ld := l.load(t, n, 3)
	for range 3 {
		ld.reach(t, n, 100)
		second, ready := run(t, bin, dir)
		if ready || second.code != exitLocked || !strings.Contains(second.log.String(), "another process uses the data directory") {
			t.Fatalf("a second process: ready %v, code %d\n%s", ready, second.code, second.log)
		}
	}
	ld.stop()
	l.verify(t, n)
	n.kill()
	l.verify(t, start(t, bin, dir)) // the lock of a killed process is gone with it
}

// Of docs/cli.md.
const (
	exitLocked   = 4
	exitDiskFull = 5
	exitSync     = 6
	exitCorrupt  = 7
)
