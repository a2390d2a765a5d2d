package coalesce

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// trimRig is a rig with a trimmer whose passes the test makes, and a wall clock
// that it may set.
type trimRig struct {
	*rig
	trimmer *Trimmer
	ahead   time.Duration // of the wall
	slept   time.Duration // what both clocks count, but no timer
	trusted bool
	kept    int64 // what the trimmer believed while it was in doubt
	start   time.Time
}

func (r *trimRig) source() Source {
	return Source{
		Wall:    func() time.Time { return time.Now().Add(r.ahead + r.slept) },
		Elapsed: func() time.Duration { return time.Since(r.start) + r.slept },
	}
}

// sleep lets time pass as a sleep of the machine does: the store has timers of
// its own that would take long over days.
func (r *trimRig) sleep(d time.Duration) {
	synctest.Wait() // nobody reads the clock
	r.slept += d
}

// trimming runs f in a bubble. Every entry begins a segment.
func trimming(t *testing.T, f func(r *trimRig)) {
	t.Helper()
	r := &trimRig{}
	synctest.Test(t, func(t *testing.T) {
		r.start = time.Now().Add(-time.Hour)
		g := newGroup(t)
		defer g.close()
		r.rig = &rig{T: t, group: g, c: New(Config{Group: g, Machine: g.machine, Clock: NewClock(r.source())})}
		r.open(0, 1, 2)
		r.do(shardlog.Configure{SegmentBytes: 1})
		r.newTrimmer(TrimConfig{})
		defer func() { r.end() }() // of the coalescer that there is then
		f(r)
	})
}

func (r *trimRig) newTrimmer(cfg TrimConfig) {
	cfg.Coalescer, cfg.Machine = r.c, r.machine
	cfg.Trusted = func() bool { return r.trusted }
	cfg.Believed = r.kept
	cfg.Doubted = func(ms int64) error { r.kept = ms; return nil }
	r.trimmer = NewTrimmer(cfg)
	synctest.Wait()
	r.pass()
}

// restart stops the node for a while.
func (r *trimRig) restart(d time.Duration, cfg TrimConfig) {
	r.Helper()
	if err := r.c.Close(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.sleep(d)
	r.c = New(Config{Group: r.group, Machine: r.machine, Clock: NewClock(r.source())})
	r.newTrimmer(cfg)
}

func (r *trimRig) pass() TrimStatus {
	r.Helper()
	if err := r.trimmer.Pass(r.Context()); err != nil {
		r.Fatal(err)
	}
	return r.trimmer.Status()
}

// run lets time pass, with a pass of the trimmer every minute, or every ten if
// it is long.
func (r *trimRig) run(d time.Duration) TrimStatus {
	r.Helper()
	every := time.Minute
	if d > 2*time.Hour {
		every = 10 * time.Minute
	}
	var st TrimStatus
	for ; d > 0; d -= every {
		r.sleep(min(d, every))
		st = r.pass()
	}
	return st
}

func (r *trimRig) put(i uint32) {
	r.Helper()
	r.stored(r.rig.start(r.Context(), batch(i, "a", 1, 100)))
}

// blocks counts the blocks of the group on disk.
func (r *trimRig) blocks() (n int) {
	r.Helper()
	for class := range uint8(3) {
		lo, _ := key.SegmentBounds(1, class, 0)
		hi, _ := key.SegmentBounds(1, class, 1<<60)
		it, err := r.store.NewIter(lo, hi)
		if err != nil {
			r.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			r.Fatal(err)
		}
	}
	return n
}

func (r *trimRig) wantBlocks(when string, want int) {
	r.Helper()
	if got := r.blocks(); got != want {
		r.Fatalf("%s: %d blocks on disk, want %d", when, got, want)
	}
}

const day = 24 * time.Hour

func TestTrimsWhatHasExpired(t *testing.T) {
	trimming(t, func(r *trimRig) {
		for range 20 {
			r.put(0)
			r.sleep(time.Minute)
		}
		r.sleep(day - 20*time.Minute)
		r.pass()
		r.wantBlocks("after a day", 20)
		r.sleep(5*time.Minute + time.Millisecond)
		if st := r.pass(); st.Trimmed != 6 || st.TrimmedBytes == 0 || st.Err != nil {
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("five minutes later", 14)
		if st := r.run(20 * time.Minute); st.Trimmed != 20 {
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("in the end", 0)
		r.put(0) // goes on in a segment of its own
		r.wantBlocks("with a new record", 1)
	})
}

func TestApplyRefusesATrimThatIsTooEarly(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		id := r.machine.Segments()[0].SegmentID
		for _, c := range []struct {
			wait    time.Duration
			refused int
		}{{time.Hour, 1}, {day, 0}} {
			r.sleep(c.wait)
			if a := r.do(shardlog.Trim{Segments: []shardlog.SegmentID{id}}); a.Refused != c.refused {
				r.Fatalf("after %v more: %+v", c.wait, a)
			}
		}
	})
}

func TestQuietAfterAnElection(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.run(23*time.Hour + 55*time.Minute)
		r.lead(false, 2)
		synctest.Wait()
		if st := r.pass(); st.Leading {
			r.Fatalf("%+v", st)
		}
		r.lead(true, 3)
		synctest.Wait()
		if st := r.run(9 * time.Minute); !st.Leading || st.QuietFor <= 0 || st.Trimmed != 0 {
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("after an election", 1)
		if st := r.run(2 * time.Minute); st.QuietFor != 0 || st.Trimmed != 1 || st.Asking {
			r.Fatalf("%+v", st)
		}
	})
}

func TestQuietAfterAStep(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.run(23*time.Hour + 30*time.Minute)
		r.ahead = 40 * time.Minute
		if st := r.run(9 * time.Minute); st.Trimmed != 0 || st.QuietFor <= 0 || st.Asking {
			r.Fatalf("%+v", st)
		}
		if st := r.run(3 * time.Minute); st.Trimmed != 1 {
			r.Fatalf("%+v", st)
		}
	})
}

// A normal stop of more than an hour is not a fault of the clock: the node trims
// again. It looks like one at the start, so it asks first.
func TestTrimsAfterALongStop(t *testing.T) {
	for name, c := range map[string]struct {
		stop time.Duration
		cfg  TrimConfig
		ask  bool
		wait time.Duration // until it trims
	}{
		"of less than an hour":       {50 * time.Minute, TrimConfig{}, false, 10 * time.Minute},
		"of a weekend":               {62 * time.Hour, TrimConfig{}, true, 6 * time.Hour},
		"of a weekend, told to trim": {62 * time.Hour, TrimConfig{AfterClockJump: true}, false, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			trimming(t, func(r *trimRig) {
				r.put(0)
				r.run(23*time.Hour + 30*time.Minute)
				r.restart(c.stop, c.cfg)
				if st := r.run(c.wait - 2*time.Minute); st.Asking != c.ask || st.Trimmed != 0 {
					r.Fatalf("%+v", st)
				}
				if st := r.run(4 * time.Minute); st.Asking || st.Trimmed != 1 {
					r.Fatalf("%+v", st)
				}
				r.put(0)
				if st := r.run(day + time.Minute); st.Asking || st.Trimmed != 2 {
					r.Fatalf("%+v", st)
				}
			})
		})
	}
}

func TestATrustedClockIsNotAskedFor(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.restart(62*time.Hour, TrimConfig{})
		if st := r.run(time.Hour); !st.Asking || st.Jump < 60*time.Hour {
			r.Fatalf("%+v", st)
		}
		r.trusted = true // the time service has found its servers
		if st := r.run(time.Minute); st.Asking || st.Trimmed != 1 {
			r.Fatalf("%+v", st)
		}
	})
}

// A clock that is a year ahead at the start deletes nothing, nor do the stamps
// that it made when it has been put right.
func TestAClockThatIsAheadAtTheStart(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.ahead = 365 * day
		r.restart(time.Minute, TrimConfig{})
		r.put(1)
		if st := r.run(5 * time.Hour); !st.Asking {
			r.Fatalf("%+v", st)
		}
		r.ahead = 0
		if st := r.run(12 * time.Hour); st.Asking || st.Trimmed != 0 {
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("after the clock was put right", 2)
		if st := r.run(7 * time.Hour); st.Trimmed != 1 { // the first record's day is over
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("a day after the first record", 1)
	})
}

// Stamps that a wrong clock has made do not vouch for it at the next start.
func TestDoubtOutlivesARestart(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.ahead = 365 * day
		r.restart(time.Minute, TrimConfig{})
		for range 3 {
			r.put(1)
			if st := r.run(time.Hour); !st.Asking || st.Trimmed != 0 || r.kept == 0 {
				r.Fatalf("%+v, kept %d", st, r.kept)
			}
			r.restart(time.Minute, TrimConfig{})
		}
		r.ahead = 0
		r.restart(time.Minute, TrimConfig{})
		if st := r.run(20 * time.Minute); st.Asking || r.kept != 0 || st.Trimmed != 0 {
			r.Fatalf("%+v, kept %d", st, r.kept)
		}
	})
}

func TestWhatIsBelievedMustBeKept(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.restart(30*time.Hour, TrimConfig{})
		if r.kept == 0 {
			r.Fatal("nothing is kept")
		}
		broken := errors.New("broken")
		r.trimmer.cfg.Doubted = func(int64) error { return broken }
		r.trusted = true
		r.sleep(time.Hour)
		if err := r.trimmer.Pass(r.Context()); !errors.Is(err, broken) {
			r.Fatal(err)
		}
		r.wantBlocks("before it is kept", 1)
	})
}

// The same while the node runs: there elapsed time proves that it is a jump.
func TestAClockThatJumpsWhileTheNodeRuns(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.run(time.Hour)
		r.ahead = 30 * day
		if st := r.run(2 * time.Hour); !st.Asking || st.Jump != 30*day || st.Trimmed != 0 {
			r.Fatalf("%+v", st)
		}
		r.ahead = 0
		if st := r.run(2 * time.Hour); st.Asking || st.Trimmed != 0 {
			r.Fatalf("%+v", st)
		}
		r.ahead = 90 * time.Minute
		if st := r.run(5 * time.Hour); !st.Asking {
			r.Fatalf("%+v", st)
		}
		r.ahead = 80 * time.Minute // not steady: the wait begins again
		if st := r.run(5 * time.Hour); !st.Asking {
			r.Fatalf("%+v", st)
		}
		if st := r.run(2 * time.Hour); st.Asking {
			r.Fatalf("%+v", st)
		}
	})
}

func TestANewGroupIsNotAskedFor(t *testing.T) {
	trimming(t, func(r *trimRig) {
		if st := r.pass(); st.Asking || st.Jump != 0 {
			r.Fatalf("%+v", st)
		}
	})
}

// Retention may change after a segment's expiry was looked up.
func TestRetentionChanges(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.put(1)
		set := func(i uint32, hours uint32) {
			r.do(shardlog.SetRetention{Shards: []stream.ShardID{shard(i)}, Hours: hours})
		}
		set(0, 72)
		r.run(25 * time.Hour)
		r.wantBlocks("after a day", 1)
		set(0, 30)
		r.run(4 * time.Hour)
		r.wantBlocks("after 29 hours", 1)
		r.run(2 * time.Hour)
		r.wantBlocks("after 31 hours", 0)
	})
}

func TestDeletedShardsArePurged(t *testing.T) {
	trimming(t, func(r *trimRig) {
		for range 300 {
			r.put(0)
		}
		r.put(1)
		r.do(shardlog.DeleteShards{Shards: []stream.ShardID{shard(0)}})
		if st := r.pass(); st.Purged != 1 {
			r.Fatalf("%+v", st)
		}
		r.wantBlocks("after the purge", 1)
		if _, ok := r.machine.Shard(shard(0)); ok {
			r.Fatal("a purged shard is known")
		}
		r.run(day + time.Minute)
		if left := r.machine.Segments(); len(left) != 0 {
			r.Fatalf("%d segments are left", len(left))
		}
	})
}

// The group's time advances without records too, so that a restart knows how
// long the node was stopped.
func TestAnIdleGroupsTimeAdvances(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		r.log()
		r.run(3 * time.Hour)
		if late := r.source().Wall().UnixMilli() - r.machine.GroupTimeMs(); late > (11 * time.Minute).Milliseconds() {
			r.Fatalf("%d ms behind", late)
		}
		if n := len(r.log()); n > 20 {
			r.Fatalf("%d entries in three hours", n)
		}
	})
}

// Looking up the shards of many segments does not take one long pass.
func TestAPassIsBounded(t *testing.T) {
	trimming(t, func(r *trimRig) {
		const n = expiriesAtOnce + 10
		for range n {
			r.put(0)
		}
		r.sleep(day + time.Minute)
		if st := r.pass(); st.Trimmed != expiriesAtOnce {
			r.Fatalf("%+v", st)
		}
		if st := r.pass(); st.Trimmed != n {
			r.Fatalf("%+v", st)
		}
	})
}

func TestTrimmerRuns(t *testing.T) {
	trimming(t, func(r *trimRig) {
		r.put(0)
		done := make(chan struct{})
		r.sleep(day)
		stop := r.startRun(done)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		r.wantBlocks("after a day", 0)
		r.mu.Lock()
		r.fail = raftlog.ErrUnknownOutcome
		r.mu.Unlock()
		time.Sleep(20 * time.Minute)
		if st := r.trimmer.Status(); st.Err == nil && st.Leading {
			r.Fatalf("%+v", st)
		}
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		time.Sleep(time.Minute)
		if st := r.trimmer.Status(); st.Err != nil || !st.Leading {
			r.Fatalf("%+v", st)
		}
		stop()
		<-done
	})
}

func (r *trimRig) startRun(done chan struct{}) (stop func()) {
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer close(done)
		r.trimmer.Run(ctx)
	}()
	return cancel
}
