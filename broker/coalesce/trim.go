package coalesce

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
)

// TrimConfig is what a Trimmer needs. Zero durations stand for the defaults.
type TrimConfig struct {
	Coalescer *Coalescer
	Machine   *shardlog.Machine

	Every time.Duration // between two passes; 30 s
	Quiet time.Duration // nothing is trimmed for so long after an election or a clock step; 10 min
	// AfterClockJump lets a node trim although its clock was more than an hour
	// ahead of the group's time when it started. Without it the trimmer waits
	// for Allow: a clock that is wrong by a year would delete everything.
	AfterClockJump bool
	Logger         *slog.Logger
}

// TrimStatus tells what a trimmer does, for people and metrics.
type TrimStatus struct {
	Leading      bool          // this node trims the group
	Asking       bool          // the clock jumped: waits for Allow
	Jump         time.Duration // by how much the clock was ahead of the group at the start
	QuietFor     time.Duration // still, before anything is trimmed
	Trimmed      uint64        // segments so far
	TrimmedBytes uint64
	Purged       uint64 // deleted shards whose data has gone
	Err          error  // of the last pass
}

// Trimmer removes what has expired and what was deleted, a little at a time,
// through the log of its group.
type Trimmer struct {
	cfg TrimConfig
	log *slog.Logger

	mu      sync.Mutex
	status  TrimStatus
	allowed bool
	began   time.Duration // elapsed time when this node began to lead
	terms   uint64

	expiry    map[shardlog.SegmentID]int64 // of segments that take no more blocks
	retention uint64                       // the retention epoch that expiry holds for
}

// Bounds of a pass.
const (
	jump           = time.Hour
	tickEvery      = 10 * time.Minute // the group's time advances at least so often
	segmentsAtOnce = 16
	purgeAtOnce    = 128 // segments of one shard per command
	purgesPerPass  = 256 // commands
)

// NewTrimmer makes a trimmer; Run does the work.
func NewTrimmer(cfg TrimConfig) *Trimmer {
	if cfg.Every == 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = 10 * time.Minute
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Trimmer{cfg: cfg, log: log, expiry: map[shardlog.SegmentID]int64{}}
}

// Run trims until ctx ends.
func (t *Trimmer) Run(ctx context.Context) {
	tick := time.NewTicker(t.cfg.Every)
	defer tick.Stop()
	for {
		err := t.Pass(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("trimming failed, will be tried again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Allow answers the question that Status shows as Asking.
func (t *Trimmer) Allow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = true
	t.status.Asking = false
}

// Status tells what the trimmer does.
func (t *Trimmer) Status() TrimStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Pass looks once through the group. Run calls it; so may tests.
func (t *Trimmer) Pass(ctx context.Context) error {
	mayTrim, leading := t.look()
	var err error
	if leading {
		err = t.work(ctx, mayTrim)
	}
	t.mu.Lock()
	t.status.Err = err
	t.mu.Unlock()
	return err
}

// look finds out whether this node leads, and whether it may trim by time.
func (t *Trimmer) look() (mayTrim, leading bool) {
	terms, serving := t.cfg.Coalescer.service()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Leading = serving
	if !serving {
		return false, false
	}
	now := t.cfg.Coalescer.clock.src.Elapsed()
	if terms != t.terms {
		t.question(t.terms == 0)
		t.terms, t.began = terms, now
	}
	quiet := t.cfg.Quiet - (now - t.began)
	if since, ok := t.cfg.Coalescer.clock.SinceStep(); ok {
		quiet = max(quiet, t.cfg.Quiet-since)
	}
	t.status.QuietFor = max(0, quiet)
	return quiet <= 0 && !t.status.Asking, true
}

// question decides at the first election whether to ask before trimming.
func (t *Trimmer) question(first bool) {
	group, lead := t.cfg.Coalescer.startGap()
	if !first || group == 0 {
		return
	}
	t.status.Jump = time.Duration(lead) * time.Millisecond
	if t.status.Jump > jump && !t.cfg.AfterClockJump && !t.allowed {
		t.status.Asking = true
		t.log.Warn("the clock is far ahead of the newest record; nothing is trimmed before that is confirmed", "by", t.status.Jump)
	}
}

func (t *Trimmer) work(ctx context.Context, mayTrim bool) error {
	if err := t.purge(ctx); err != nil {
		return err
	}
	var expired []shardlog.SegmentID
	if mayTrim {
		var err error
		if expired, err = t.expired(t.cfg.Coalescer.NowMs()); err != nil {
			return err
		}
	}
	for len(expired) > 0 {
		n := min(segmentsAtOnce, len(expired))
		if err := t.trim(ctx, expired[:n]); err != nil {
			return err
		}
		expired = expired[n:]
	}
	if t.cfg.Coalescer.NowMs()-t.cfg.Machine.GroupTimeMs() >= tickEvery.Milliseconds() {
		return t.trim(ctx, nil)
	}
	return nil
}

func (t *Trimmer) trim(ctx context.Context, ids []shardlog.SegmentID) error {
	var bytes uint64
	for _, id := range ids {
		if info, ok := t.cfg.Machine.Segment(id); ok {
			bytes += info.Bytes
		}
	}
	a, err := t.cfg.Coalescer.Do(ctx, shardlog.Trim{Segments: ids})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Trimmed += uint64(a.Trimmed)
	if a.Trimmed == len(ids) {
		t.status.TrimmedBytes += bytes
	}
	return nil
}

// expired lists the segments whose every record has expired.
func (t *Trimmer) expired(nowMs int64) ([]shardlog.SegmentID, error) {
	epoch := t.cfg.Machine.RetentionEpoch()
	if epoch != t.retention {
		t.retention = epoch
		clear(t.expiry)
	}
	var out []shardlog.SegmentID
	tip := t.cfg.Machine.Tip()
	known := make(map[shardlog.SegmentID]int64, len(t.expiry))
	for _, info := range t.cfg.Machine.Segments() {
		id := info.SegmentID
		at, ok := t.expiry[id]
		if !ok {
			var err error
			if at, err = t.cfg.Machine.Expiry(id); err != nil {
				return nil, err
			}
		}
		if id != tip.Current[id.Class].SegmentID {
			known[id] = at
		}
		if at < nowMs {
			out = append(out, id)
		}
	}
	t.expiry = known
	return out, nil
}

// purge removes the data of deleted shards.
func (t *Trimmer) purge(ctx context.Context) error {
	left := purgesPerPass
	for _, s := range t.cfg.Machine.Shards() {
		for s.Phase == shardlog.Deleting && left > 0 {
			left--
			a, err := t.cfg.Coalescer.Do(ctx, shardlog.Purge{Shard: s.ID, Segments: purgeAtOnce})
			if err != nil {
				return err
			}
			if !a.More {
				t.mu.Lock()
				t.status.Purged++
				t.mu.Unlock()
				break
			}
		}
	}
	return nil
}
