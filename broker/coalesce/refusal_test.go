package coalesce

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// spans tells what became of the records of a batch, a letter for each: s for
// stored, c for closed, u for unavailable, o for unknown outcome, n for not found.
func spans(res Result) (out string) {
	for _, s := range res.Spans {
		letter := "s"
		var closed *shardlog.ClosedError
		switch {
		case errors.As(s.Err, &closed):
			letter = "c"
		case s.Err == nil:
		case stream.CodeOf(s.Err) == stream.CodeUnavailable:
			letter = "u"
		case stream.CodeOf(s.Err) == stream.CodeUnknownOutcome:
			letter = "o"
		case stream.CodeOf(s.Err) == stream.CodeNotFound:
			letter = "n"
		default:
			letter = fmt.Sprint(s.Err)
		}
		for range s.Count {
			out += letter
		}
	}
	return out
}

func (r *rig) want(p *pending, want ...string) {
	r.Helper()
	<-p.done
	if p.err != nil || len(p.results) != len(want) {
		r.Fatalf("%v, %d results", p.err, len(p.results))
	}
	for i := range want {
		if got := spans(p.results[i]); got != want[i] {
			r.Errorf("batch %d: %s, want %s", i, got, want[i])
		}
	}
}

func TestAClosedShardRefuses(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.do(shardlog.CloseShards{Shards: []stream.ShardID{shard(1)}, MetaIndex: 77})
		p := r.start(r.Context(), batch(0, "a", 2, 10), batch(1, "b", 2, 10), batch(9, "c", 1, 10))
		r.want(p, "ss", "cc", "n")
		var closed *shardlog.ClosedError
		if !errors.As(p.results[1].Spans[0].Err, &closed) || closed.MetaIndex != 77 {
			r.Fatal(p.results[1].Spans[0].Err)
		}
	})
}

// A shard that closes while a call is stored piece by piece: what was stored
// before is acknowledged, the rest is refused.
func TestAShardClosesBehindACall(t *testing.T) {
	bubble(t, Config{EntryBytes: 1000}, func(r *rig) {
		r.holding(true)
		p := r.start(r.Context(), batch(0, "a", 8, 300)) // two records an entry
		closing := make(chan struct{})
		go func() { defer close(closing); r.do(shardlog.CloseShards{Shards: []stream.ShardID{shard(0)}}) }()
		synctest.Wait()
		late := r.start(r.Context(), batch(0, "b", 1, 10), batch(1, "c", 1, 10))
		r.holding(false)
		r.want(p, "ssssssss") // the closing comes after it in the queue
		<-closing
		r.want(late, "c", "s")
	})
}

// What the log refused is acknowledged to nobody, and later records of the
// shard do not overtake refused ones.
func TestLaterRecordsOfARefusedShardAreRefused(t *testing.T) {
	bubble(t, Config{EntryBytes: 1000, InFlight: 1}, func(r *rig) {
		r.holding(true)
		p := r.start(r.Context(), batch(0, "a", 6, 300), batch(1, "b", 2, 10))
		why := stream.Errorf(stream.CodeUnavailable, "not this one")
		r.mu.Lock()
		r.answer = []error{why}
		r.apply(1)
		r.answer = nil
		r.mu.Unlock()
		r.holding(false)
		r.want(p, "uuuuuu", "ss")
	})
}

// The records of a call that have not been proposed are refused when leadership
// is lost; those on their way are answered for themselves.
func TestRefusalsDoNotMoveAcknowledgements(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"leadership lost": func(r *rig) { r.lead(false, 2) },
		"closed":          func(r *rig) { r.c.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{EntryBytes: 1000}, func(r *rig) {
				r.holding(true)
				p := r.start(r.Context(), batch(0, "a", 9, 300), batch(1, "b", 2, 10))
				end(r)
				synctest.Wait()
				if p.answered() {
					r.Fatal("answered while records were on their way")
				}
				r.holding(false)
				r.want(p, "ssssuuuuu", "uu")
				r.check("a", []uint32{0, 1}, p.results)
			})
		})
	}
}

func TestLostLeadershipAnswersEverybody(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		a := r.start(r.Context(), batch(0, "a", 1, 10))
		b := r.start(r.Context(), batch(0, "b", 1, 10))
		c := r.start(r.Context(), batch(0, "c", 1, 10))
		r.lead(false, 2)
		r.want(c, "u")
		r.lose(fmt.Errorf("%w: deposed", raftlog.ErrUnknownOutcome))
		r.want(a, "o")
		r.want(b, "o")
		r.holding(false)
		r.lead(true, 3)
		synctest.Wait()
		r.stored(r.start(r.Context(), batch(0, "d", 1, 10)))
	})
}

// A proposal that failed although this node leads still, as far as it knows,
// must not leave the next one with positions that were given already.
func TestAfterAFailedProposalTheTipIsReadAgain(t *testing.T) {
	for name, fail := range map[string]error{
		"not leader": raftlog.ErrNotLeader, "unknown": raftlog.ErrUnknownOutcome,
		"stopped": raftlog.ErrStopped, "quarantined": raftlog.ErrQuarantined, "other": errors.New("?"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(r *rig) {
				r.mu.Lock()
				r.fail = fail
				r.mu.Unlock()
				p := r.start(r.Context(), batch(0, "a", 1, 10))
				<-p.done
				if err := p.results[0].Spans[0].Err; err == nil || !errors.As(err, new(*stream.Error)) {
					r.Fatal(err)
				}
				r.mu.Lock()
				r.fail = nil
				r.mu.Unlock()
				if err := r.c.Ready(r.Context()); err != nil {
					r.Fatal(err)
				}
				for i, at := range r.stored(r.start(r.Context(), batch(0, "b", 3, 10)))[0] {
					if at != stream.Position(i+1) {
						r.Fatalf("record %d is at position %d", i, at)
					}
				}
			})
		})
	}
}

// An entry that lands in another term than it was made for is refused whole.
func TestAStaleEntryIsRefused(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		p := r.start(r.Context(), batch(0, "a", 2, 10))
		r.mu.Lock()
		r.waiting[0].entry.Term++
		r.waiting[0].entry.Rows = nil // as raftlog hands it over
		r.mu.Unlock()
		r.holding(false)
		r.want(p, "uu")
		synctest.Wait()
		r.stored(r.start(r.Context(), batch(0, "b", 1, 10)))
	})
}

func TestACallerThatGoes(t *testing.T) {
	for name, c := range map[string]struct {
		calls int // before it, which fill what may be in flight
		code  stream.Code
	}{
		"while its records are stored": {0, stream.CodeUnknownOutcome},
		"while it waits":               {DefaultInFlight, stream.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(r *rig) {
				r.holding(true)
				var before []*pending
				for range c.calls {
					before = append(before, r.start(r.Context(), batch(0, "a", 1, 10)))
				}
				ctx, cancel := context.WithTimeout(r.Context(), time.Second)
				defer cancel()
				p := r.start(ctx, batch(0, "gone", 1, 10))
				<-p.done
				wantCode(r.T, p.err, c.code)
				later := r.start(r.Context(), batch(0, "b", 1, 10))
				r.holding(false)
				for _, q := range append(before, later) {
					r.stored(q)
				}
				want := stream.Position(c.calls + 2)
				if c.calls > 0 {
					want-- // it was not stored
				}
				if got := r.machine.NextPosition() - 1; got != want {
					r.Fatalf("%d records were stored, want %d", got, want)
				}
			})
		})
	}
}

// A caller that has gone may use its records for something else at once.
func TestRecordsAreTheCallersAgain(t *testing.T) {
	bubble(t, Config{EntryBytes: 1000}, func(r *rig) {
		r.holding(true)
		r.start(r.Context(), batch(0, "a", 1, 10))
		ctx, cancel := context.WithCancel(r.Context())
		batches := []Batch{batch(0, "gone", 9, 300), batch(1, "gone", 1, 10)}
		p := r.start(ctx, batches...)
		cancel()
		<-p.done
		wantCode(r.T, p.err, stream.CodeUnknownOutcome)
		clear(batches[0].Records)
		clear(batches)
		r.holding(false)
		synctest.Wait()
		r.stored(r.start(r.Context(), batch(1, "b", 1, 10)))
	})
}

func TestAControlCommandWhoseCallerGoes(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := r.c.Do(ctx, shardlog.CloseShards{Shards: []stream.ShardID{shard(0)}})
		wantCode(r.T, err, stream.CodeUnknownOutcome)
		p := r.start(r.Context(), batch(0, "a", 1, 10))
		r.holding(false)
		r.want(p, "c")
	})
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		for range DefaultInFlight + maxControls {
			go func() { _, _ = r.c.Do(r.Context(), shardlog.Trim{}) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		_, err := r.c.Do(ctx, shardlog.CloseShards{Shards: []stream.ShardID{shard(0)}})
		wantCode(r.T, err, stream.CodeUnavailable)
		r.holding(false)
		r.want(r.start(r.Context(), batch(0, "a", 1, 10)), "s")
	})
}

func TestAFullDiskRefuses(t *testing.T) {
	full := true
	var asked int64
	writable := func(bytes int64) error {
		asked += bytes
		if full {
			return errors.New("no room")
		}
		return nil
	}
	bubble(t, Config{Writable: writable}, func(r *rig) {
		_, err := r.c.Append(r.Context(), []Batch{batch(0, "a", 2, 1000)})
		wantCode(r.T, err, stream.CodeDiskFull)
		if asked < 2000 {
			r.Fatalf("asked for %d bytes", asked)
		}
		r.do(shardlog.Trim{}) // what gives space back passes
		full = false
		r.stored(r.start(r.Context(), batch(0, "a", 2, 1000)))
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	bubble(t, Config{QueueBytes: 10_000}, func(r *rig) {
		r.holding(true)
		first := r.start(r.Context(), batch(0, "large", 1, 50_000)) // passes alone
		_, err := r.c.Append(r.Context(), []Batch{batch(0, "a", 1, 1)})
		wantCode(r.T, err, stream.CodeOverloaded)
		go func() { r.do(shardlog.Trim{}) }() // control commands pass
		r.holding(false)
		r.stored(first)

		r.holding(true)
		var calls []*pending
		refused := 0
		for range 20 {
			if p := r.start(r.Context(), batch(0, "a", 1, 1000)); p.answered() {
				wantCode(r.T, p.err, stream.CodeOverloaded)
				refused++
			} else {
				calls = append(calls, p)
			}
		}
		if refused != 11 {
			r.Fatalf("%d calls were refused", refused)
		}
		r.holding(false)
		for _, p := range calls {
			r.stored(p)
		}
	})
}

func TestClosing(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		a := r.start(r.Context(), batch(0, "a", 1, 10))
		r.start(r.Context(), batch(0, "b", 1, 10))
		waits := r.start(r.Context(), batch(0, "c", 1, 10))
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := r.c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			r.Fatal("closed with entries in flight:", err)
		}
		r.want(waits, "u")
		r.holding(false)
		r.want(a, "s")
		if err := r.c.Close(r.Context()); err != nil {
			r.Fatal(err)
		}
		_, err := r.c.Append(r.Context(), []Batch{batch(0, "d", 1, 10)})
		wantCode(r.T, err, stream.CodeUnavailable)
		_, err = r.c.Do(r.Context(), shardlog.Trim{})
		wantCode(r.T, err, stream.CodeUnavailable)
	})
}

// Control commands and appends of one group take effect in the order of the
// calls, and appends that follow a command see what it did.
func TestAppendsWaitForControlCommands(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.holding(true)
		changed := make(chan struct{})
		go func() {
			defer close(changed)
			r.do(shardlog.SetRetention{Shards: []stream.ShardID{shard(0)}, Hours: 100})
		}()
		synctest.Wait()
		p := r.start(r.Context(), batch(0, "a", 1, 10))
		if log := r.log(); len(log) != 1 || len(log[0].blocks) != 0 {
			t.Fatal("an append did not wait for the command before it")
		}
		r.holding(false)
		<-changed
		r.want(p, "s") // in a segment of the new class
	})
}

func TestDoAnswers(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		if a := r.do(shardlog.CloseShards{Shards: []stream.ShardID{shard(0)}}); len(a.Shards) != 1 || a.Shards[0].State.Phase != shardlog.Closed {
			r.Fatalf("%+v", a)
		}
		for _, answer := range []any{stream.Errorf(stream.CodeInvalidArgument, "no"), 5} {
			r.mu.Lock()
			r.answer = answer
			r.mu.Unlock()
			if _, err := r.c.Do(r.Context(), shardlog.Trim{}); err == nil {
				r.Fatalf("no error for the answer %v", answer)
			}
		}
		r.mu.Lock()
		r.answer = nil
		r.mu.Unlock()
	})
}
