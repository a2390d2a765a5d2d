package coalesce

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// TrimConfig is what a Trimmer needs. Zero durations stand for the defaults.
type TrimConfig struct {
	Coalescer *Coalescer
	Machine   *shardlog.Machine

	Every time.Duration // between two passes; 30 s
	Quiet time.Duration // nothing is trimmed for so long after an election or a clock step; 10 min
	// AfterClockJump lets a node trim although its clock is more than an hour
	// ahead: of the group's time when it started, or by a step since. Without it
	// the trimmer waits until Trusted says that the clock is right, or until it
	// has been steady for the time Doubt.
	AfterClockJump bool
	Trusted        func() bool   // Disciplined
	Doubt          time.Duration // 6 h
	// Doubted keeps the time as it is believed while the clock is in doubt, and 0
	// afterwards. Believed is what it has kept: stamps by a wrong clock must not
	// vouch for it at the next start. Doubted may be nil.
	Doubted  func(believedMs int64) error
	Believed int64
	Logger   *slog.Logger
}

// TrimStatus tells what a trimmer does, for people and metrics.
type TrimStatus struct {
	Leading      bool          // this node trims the group
	Asking       bool          // the clock has jumped, and nobody has said that it is right
	Jump         time.Duration // by how much the clock is ahead of what was to be expected
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

	mu     sync.Mutex
	status TrimStatus
	doubt  doubt
	began  time.Duration // elapsed time when this node began to lead
	terms  uint64
	told   int64         // to Doubted
	toldAt time.Duration // elapsed time

	expiry map[shardlog.SegmentID]expiry // of segments that take no more blocks
}

// expiry is when a segment expires, as retention stood in an epoch.
type expiry struct {
	ms    int64
	epoch uint64
}

// Bounds of a pass.
const (
	tickEvery      = 10 * time.Minute // the group's time advances at least so often
	expiriesAtOnce = 1000             // segments whose shards are looked up in one pass
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
	if cfg.Doubt == 0 {
		cfg.Doubt = 6 * time.Hour
	}
	if cfg.Trusted == nil {
		cfg.Trusted = Disciplined
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Trimmer{
		cfg: cfg, log: log, expiry: map[shardlog.SegmentID]expiry{}, told: cfg.Believed, toldAt: -tickEvery,
		doubt: doubt{log: log, believe: cfg.AfterClockJump, trust: cfg.Trusted, patience: cfg.Doubt},
	}
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
		err = t.tell()
	}
	if leading && err == nil {
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
	clock := t.cfg.Coalescer.clock
	now, wall := clock.Wall()
	if terms != t.terms {
		if t.terms == 0 {
			t.doubt.begin(wall, t.expected(now))
		}
		t.terms, t.began = terms, now
	}
	t.status.Asking, t.status.Jump = t.doubt.look(now, wall)
	quiet := t.cfg.Quiet - (now - t.began)
	if since, ok := clock.SinceStep(); ok {
		quiet = max(quiet, t.cfg.Quiet-since)
	}
	t.status.QuietFor = max(0, quiet)
	return quiet <= 0 && !t.status.Asking, true
}

// expected is the wall's offset by what this node knew when it was stopped.
func (t *Trimmer) expected(now time.Duration) offset {
	if t.cfg.Believed > 0 {
		return offset{time.Duration(t.cfg.Believed)*time.Millisecond - now, true}
	}
	return t.cfg.Coalescer.startOffset()
}

// tell keeps what is believed, every now and then while the clock is in doubt.
func (t *Trimmer) tell() error {
	now, _ := t.cfg.Coalescer.clock.Wall()
	t.mu.Lock()
	defer t.mu.Unlock()
	believed := int64(0)
	if t.status.Asking {
		believed = (t.doubt.anchor + now).Milliseconds()
	}
	due := believed == 0 && t.told != 0 || believed != 0 && (t.told == 0 || now-t.toldAt >= tickEvery)
	if t.cfg.Doubted == nil || !due {
		return nil
	}
	if err := t.cfg.Doubted(believed); err != nil {
		return fmt.Errorf("keep the time that is believed: %w", err)
	}
	t.told, t.toldAt = believed, now
	return nil
}

func (t *Trimmer) work(ctx context.Context, mayTrim bool) error {
	if err := t.purge(ctx); err != nil {
		return err
	}
	var expired []shardlog.SegmentID
	if mayTrim {
		var err error
		if expired, err = t.expired(t.cfg.Coalescer.ExpiryMs()); err != nil {
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

// expired lists segments whose every record has expired. Those that are too
// young for any retention are not looked at; of the others so many in one pass
// that it does not last long.
func (t *Trimmer) expired(nowMs int64) ([]shardlog.SegmentID, error) {
	var out []shardlog.SegmentID
	m := t.cfg.Machine
	epoch, tip := m.RetentionEpoch(), m.Tip()
	known := make(map[shardlog.SegmentID]expiry, len(t.expiry))
	left := expiriesAtOnce
	for _, info := range m.Segments() {
		if info.LastArrivalMs+leastRetentionMs >= nowMs {
			continue
		}
		id := info.SegmentID
		x, ok := t.expiry[id]
		if (!ok || x.epoch != epoch) && left > 0 {
			left--
			at, err := m.Expiry(id)
			if err != nil {
				return nil, err
			}
			x, ok = expiry{at, epoch}, true
		}
		if !ok {
			continue // not yet
		}
		if id != tip.Current[id.Class].SegmentID {
			known[id] = x
		}
		if x.ms < nowMs {
			out = append(out, id)
		}
	}
	t.expiry = known
	return out, nil
}

const leastRetentionMs = stream.MinRetentionHours * 3_600_000

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
