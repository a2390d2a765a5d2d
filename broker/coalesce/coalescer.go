package coalesce

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// Defaults of a Config.
const (
	DefaultEntryBytes = 512 << 10
	DefaultQueueBytes = 32 << 20
	DefaultInFlight   = 2
)

// Config is what a Coalescer needs. Zero numbers stand for the defaults;
// Clock, Writable, Observe and Logger may be nil.
type Config struct {
	Group   Group
	Machine *shardlog.Machine
	Clock   *Clock

	EntryBytes int   // an entry holds at most so much, or one record
	QueueBytes int64 // records waiting and in flight; beyond it CodeOverloaded
	InFlight   int   // entries proposed and not yet answered

	// Writable refuses appends that the disk has no room for.
	Writable func(bytes int64) error
	Observe  func(Entry)
	Logger   *slog.Logger
}

// Entry describes an entry that was proposed and answered, for metrics.
type Entry struct {
	Records, Blocks, Bytes int
	Took                   time.Duration // from the proposal to the answer
	Err                    error
}

// offset is a distance from elapsed time, if there is one.
type offset struct {
	time.Duration
	known bool
}

// Coalescer is the one proposer of a group. Any goroutine may call any method.
type Coalescer struct {
	cfg   Config
	clock *Clock
	log   *slog.Logger

	kick   chan struct{} // something for the proposer to look at
	flying chan *flight  // to the finisher, in the order of the log
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	serving  bool
	ready    chan struct{} // closed while serving
	queue    queue
	bytes    int64 // of all calls not yet answered
	inFlight int
	controls int    // control commands in flight: appends wait for them
	resync   bool   // the tip must be read again before the next append
	lost     bool   // a proposal failed: leadership must be looked at again
	terms    uint64 // times that it began to serve

	start offset // of the group's time when this node first began to lead it

	// The proposer's own.
	term    uint64
	tip     shardlog.Tip
	filler  filler
	key     []byte
	scratch []stream.Record

	stampMu sync.Mutex
	stamp   int64 // the latest given
}

// New starts a coalescer. Close ends it.
func New(cfg Config) *Coalescer {
	if cfg.EntryBytes == 0 {
		cfg.EntryBytes = DefaultEntryBytes
	}
	if cfg.QueueBytes == 0 {
		cfg.QueueBytes = DefaultQueueBytes
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = DefaultInFlight
	}
	if cfg.Clock == nil {
		cfg.Clock = NewClock(System())
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Coalescer{
		cfg: cfg, clock: cfg.Clock, log: cfg.Logger, cancel: cancel,
		kick:   make(chan struct{}, 1),
		flying: make(chan *flight, cfg.InFlight+maxControls),
		ready:  make(chan struct{}),
	}
	c.done.Add(2)
	go c.run(ctx)
	go c.finishAll()
	return c
}

// Close refuses what waits, lets what is in flight be answered, and ends. The
// error is the context's.
func (c *Coalescer) Close(ctx context.Context) error {
	c.cancel()
	ended := make(chan struct{})
	go func() {
		c.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready returns when the coalescer takes records: the node leads the group and
// has applied everything before its term.
func (c *Coalescer) Ready(ctx context.Context) error {
	for {
		c.mu.Lock()
		serving, ready := c.serving, c.ready
		c.mu.Unlock()
		if serving {
			return nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Serving tells whether the coalescer takes records now.
func (c *Coalescer) Serving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.serving
}

// NowMs is the group's time as its leader knows it: no later stamp was given,
// no earlier one will be.
func (c *Coalescer) NowMs() int64 {
	now := c.clock.NowMs()
	c.stampMu.Lock()
	defer c.stampMu.Unlock()
	return max(now, c.stamp)
}

// ExpiryMs is the time by which the group's records expire; see Clock.ExpiryMs.
func (c *Coalescer) ExpiryMs() int64 { return c.clock.ExpiryMs() }

// nextStamp gives the stamp of an entry, at least floor.
func (c *Coalescer) nextStamp(floor int64) int64 {
	now := c.clock.NowMs()
	c.stampMu.Lock()
	defer c.stampMu.Unlock()
	c.stamp = max(c.stamp, now, floor)
	return c.stamp
}

var (
	errNotLeader  = stream.Errorf(stream.CodeUnavailable, "this node does not lead the shard's group at the moment")
	errOverloaded = stream.Errorf(stream.CodeOverloaded, "too many records are waiting to be stored")
	errStopped    = stream.Errorf(stream.CodeUnavailable, "the node is stopping")
	errCancelled  = stream.Errorf(stream.CodeUnavailable, "the call ended before its records were stored")
	errUnknown    = stream.Errorf(stream.CodeUnknownOutcome, "the call ended while its records were being stored")
)

// run is the proposer.
func (c *Coalescer) run(ctx context.Context) {
	defer c.done.Done()
	defer close(c.flying)
	for ctx.Err() == nil {
		if c.lead(ctx) {
			c.serve(ctx)
			c.drain(errNotLeader)
		}
	}
	c.drain(errStopped)
}

// lead waits for leadership and reads the tip.
func (c *Coalescer) lead(ctx context.Context) bool {
	leader, term := c.cfg.Group.Leadership()
	if !leader {
		select {
		case <-c.cfg.Group.LeadershipChanges():
		case <-ctx.Done():
		}
		return false
	}
	if err := c.untilReady(ctx); err != nil {
		c.log.Warn("leading, but not ready", "term", term, "error", err)
		return false
	}
	if l, t := c.cfg.Group.Leadership(); !l || t != term {
		return false
	}
	c.clock.Set(c.cfg.Machine.GroupTimeMs())
	c.term = term
	c.readTip()
	elapsed, _ := c.clock.Wall()
	c.mu.Lock()
	c.lost, c.resync = false, false
	c.serving = true
	if c.terms++; c.terms == 1 && c.tip.TimeMs > 0 {
		c.start = offset{time.Duration(c.tip.TimeMs)*time.Millisecond - elapsed, true}
	}
	close(c.ready)
	c.mu.Unlock()
	c.log.Info("takes records", "term", term, "next", uint64(c.tip.Next))
	return true
}

// untilReady gives up after a second, so that lost leadership is noticed.
func (c *Coalescer) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.cfg.Group.Ready(ctx)
}

func (c *Coalescer) readTip() {
	c.tip = c.cfg.Machine.Tip()
	c.nextStamp(c.tip.TimeMs)
}

// serve proposes until leadership is lost.
func (c *Coalescer) serve(ctx context.Context) {
	for ctx.Err() == nil && c.leads() {
		if c.step() {
			continue
		}
		select {
		case <-c.kick:
		case <-c.cfg.Group.LeadershipChanges():
		case <-ctx.Done():
		}
	}
}

func (c *Coalescer) leads() bool {
	c.mu.Lock()
	lost := c.lost
	c.mu.Unlock()
	leader, term := c.cfg.Group.Leadership()
	return !lost && leader && term == c.term
}

// drain refuses what waits and returns when nothing is in flight: a proposal
// of this term must not be outstanding when the next begins.
func (c *Coalescer) drain(why error) {
	c.mu.Lock()
	if c.serving {
		c.serving = false
		c.ready = make(chan struct{})
	}
	for !c.queue.empty() {
		c.refuse(c.queue.pop(), why)
	}
	for c.inFlight > 0 {
		c.mu.Unlock()
		<-c.kick
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// step makes one proposal, if there is something to propose and room for it.
func (c *Coalescer) step() bool {
	c.mu.Lock()
	head := c.queue.peek()
	switch {
	case head == nil:
	case head.abandoned:
		c.refuse(c.queue.pop(), errCancelled)
		c.mu.Unlock()
		return true
	case head.command != nil && c.inFlight < c.cfg.InFlight+maxControls:
		c.queue.pop()
		head.pieces++
		head.touched = true
		c.inFlight++
		c.controls++
		c.mu.Unlock()
		c.proposeControl(head)
		return true
	case head.command == nil && c.mayAppend():
		f := c.fill()
		c.mu.Unlock()
		if f != nil {
			c.proposeAppend(f)
		}
		return true
	}
	c.mu.Unlock()
	return false
}

// maxControls is how many control commands may be in flight.
const maxControls = 8

func (c *Coalescer) mayAppend() bool {
	if c.controls > 0 || c.inFlight >= c.cfg.InFlight {
		return false
	}
	if c.resync {
		if c.inFlight > 0 {
			return false
		}
		c.readTip()
		c.resync = false
	}
	return true
}

func (c *Coalescer) nudge() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// outcome maps an error of raftlog to the catalogue.
func outcome(err error) error {
	switch {
	case errors.Is(err, raftlog.ErrNotLeader):
		return errNotLeader
	case errors.Is(err, raftlog.ErrStopped):
		return errStopped
	case errors.Is(err, raftlog.ErrQuarantined):
		return stream.Wrap(stream.CodeUnavailable, err, "this node's copy of the shard's group is out of service")
	}
	return stream.Wrap(stream.CodeUnknownOutcome, err, "the records may not have been stored")
}

// service tells how often the coalescer has begun to serve, and whether it does.
func (c *Coalescer) service() (terms uint64, serving bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.terms, c.serving
}

// startOffset is how far the group's time was off elapsed time when this node
// first began to lead it, unless the group was new.
func (c *Coalescer) startOffset() offset {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start
}
