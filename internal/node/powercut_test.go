package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// cuts is how many power cuts TestPowerCut makes.
func cuts(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RUNNEL_POWER_CUTS")
	if text == "" {
		return 100
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RUNNEL_POWER_CUTS=%q is not a number of power cuts", text)
	}
	return n
}

// TestPowerCut cuts the power of a node again and again, at random moments of
// its load and of its start, losing a random part of what was not synced. After
// each cut everything acknowledged is there, at its number, in order, whole.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("RUNNEL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("RUNNEL_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for total := cuts(t); total > 0; total -= lifeCuts {
		aLife(t, rng, min(total, lifeCuts))
	}
}

// lifeCuts is how many power cuts a data directory lives through. Each is
// followed by a reading of everything, so the time grows with the square of it.
const lifeCuts = 100

func aLife(t *testing.T, rng *rand.Rand, cuts int) {
	t.Helper()
	c := &cutter{rng: rng, fs: storage.NewCrashableMem(), ledger: newLedger()}
	for i := range cuts {
		if err := c.cycle(t.Context(), i); err != nil {
			if isViolation(err) {
				t.Fatalf("violation after cut %d: %v", i, err)
			}
			t.Fatalf("cycle %d: %v\n%v", i, err, c.stuck.Load())
		}
	}
	t.Logf("%d records acknowledged, %d sent; cuts amid %d starts and %d stops, %d reshards", len(c.ledger.acked), len(c.ledger.sent), c.starts, c.stops, c.reshards)
	if len(c.ledger.acked) < cuts {
		t.Errorf("only %d records were acknowledged: the load did not load", len(c.ledger.acked))
	}
}

// TestPowerCutCatchesMissingSync runs the same test on a build that skips the
// sync of the log. If that passed, TestPowerCut would prove nothing.
func TestPowerCutCatchesMissingSync(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags", "runnel_nosync", "-run", "^TestPowerCut$", ".")
	cmd.Env = append(os.Environ(), "RUNNEL_POWER_CUTS=30", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the build that skips the sync passes (error %v):\n%s", err, out)
	}
	if !strings.Contains(string(out), "violation after cut") {
		t.Fatalf("the build that skips the sync fails, but not for a lost record:\n%s", out)
	}
}

const cutStream = "ledger"

type cutter struct {
	rng    *rand.Rand
	fs     *storage.MemFS
	ledger *ledger

	starts, stops, reshards int          // amid how many of them the power was cut
	stuck                   atomic.Value // what all goroutines did when a cycle took too long
}

// cycle starts a node on what the last cut left, checks it, loads it, and cuts.
func (c *cutter) cycle(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		stacks := make([]byte, 4<<20)
		c.stuck.Store(string(stacks[:runtime.Stack(stacks, true)]))
	})()
	if c.rng.IntN(4) == 0 {
		if err := c.cutStart(ctx); err != nil {
			return err
		}
	}
	p := c.newPlug()
	n, err := c.start(ctx, p.disk())
	if err != nil {
		return err
	}
	if i == 0 {
		err = create(ctx, n)
	} else {
		err = c.ledger.check(ctx, n.Broker(), cutStream)
	}
	if err != nil {
		return errors.Join(err, n.Close(ctx))
	}
	return c.load(ctx, n, p)
}

func (c *cutter) start(ctx context.Context, fs storage.FS) (*Node, error) {
	n, err := Start(ctx, Config{DataDir: "data", FS: fs})
	if err != nil {
		return nil, startFault(err)
	}
	if err := n.Ready(ctx); err != nil {
		return nil, errors.Join(startFault(err), n.Close(ctx))
	}
	return n, nil
}

// startFault: a power cut is no damage, so a node that calls it that has broken
// its promise.
func startFault(err error) error {
	if errors.Is(err, storage.ErrCorrupt) {
		return violated("does not start again: %v", err)
	}
	return fmt.Errorf("start: %w", err)
}

// Disk operations of a start, of a stop and of a load, about.
const (
	startOperations = 150
	stopOperations  = 60
	loadOperations  = 1000
)

// cutStart cuts the power while a node starts.
func (c *cutter) cutStart(ctx context.Context) error {
	p := c.newPlug()
	p.set(1 + c.rng.IntN(startOperations))
	n, err := c.start(ctx, p.disk())
	if err != nil {
		return err
	}
	if p.pull() {
		c.starts++
	}
	err = n.Close(ctx)
	c.resume(p)
	return err
}

// resume goes on with what a power cut left.
func (c *cutter) resume(p *plug) {
	c.ledger.thaw(p.acked)
	c.fs = p.left
}

func create(ctx context.Context, n *Node) error {
	if err := n.Broker().CreateStream(ctx, cutStream, 3, 24); err != nil {
		return err
	}
	return whenActive(ctx, n.Broker())
}

func whenActive(ctx context.Context, b *broker.Broker) error {
	return poll(ctx, func() (bool, error) {
		info, err := b.DescribeStream(ctx, cutStream)
		return info.Status == broker.StatusActive, err
	})
}

// poll asks until the answer is yes.
func poll(ctx context.Context, ask func() (bool, error)) error {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for {
		if ok, err := ask(); ok || err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const (
	soloWorkers  = 4 // each puts one record and waits
	batchWorkers = 2 // each puts a few at once
)

const (
	cutAtAnswer = iota
	cutAtOperation
	cutAtStop
	cutKinds
)

// load puts records and sometimes reshards, until the power is cut: after a random
// number of acknowledgements, amid an operation of the disk, or amid the clean
// stop that follows.
func (c *cutter) load(ctx context.Context, n *Node, p *plug) error {
	kind := c.rng.IntN(cutKinds)
	if kind == cutAtOperation {
		p.set(1 + c.rng.IntN(loadOperations))
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	enough := make(chan struct{})
	var acks atomic.Int64
	goal := int64(1 + c.rng.IntN(120))
	acked := func() {
		if acks.Add(1) == goal {
			close(enough)
		}
	}
	var wg sync.WaitGroup
	for w := range soloWorkers + batchWorkers {
		size := 1
		if w >= soloWorkers {
			size = 2 + c.rng.IntN(10)
		}
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 2))
		wg.Go(func() { c.work(running, n.Broker(), fmt.Sprintf("w%d", w), size, rng, acked) })
	}
	if c.rng.IntN(6) == 0 {
		c.reshards++
		target := 2 + c.rng.IntN(4)
		wg.Go(func() { _, _ = n.Broker().UpdateShardCount(running, cutStream, target) }) // may be refused: it is under way already
	}
	var err error
	select {
	case <-enough:
	case <-n.Failed():
		err = n.Err()
	case <-ctx.Done():
		err = fmt.Errorf("%d of %d acknowledgements: %w", acks.Load(), goal, ctx.Err())
	}
	atStop := kind == cutAtStop && err == nil
	if !atStop {
		p.pull()
	}
	stop()
	wg.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if atStop {
		p.set(1 + c.rng.IntN(stopOperations))
	}
	err = errors.Join(err, n.Close(closing))
	if p.pull() && atStop {
		c.stops++
	}
	c.resume(p)
	return err
}

// work puts records of one key until ctx ends. It never puts a record again
// whose outcome is unknown.
func (c *cutter) work(ctx context.Context, b *broker.Broker, worker string, size int, rng *rand.Rand, acked func()) {
	for ctx.Err() == nil {
		records := make([]broker.PutRecord, size)
		texts := make([]string, size)
		for i := range records {
			texts[i] = c.ledger.payload(worker, rng)
			records[i] = broker.PutRecord{PartitionKey: worker, Data: []byte(texts[i])}
		}
		results, err := b.Put(ctx, cutStream, records)
		if err != nil {
			if stream.CodeOf(err).Retryable() {
				continue
			}
			return
		}
		for i, r := range results {
			if r.Err == nil {
				c.ledger.ack(texts[i], r.Sequence)
				acked()
			}
		}
	}
}
