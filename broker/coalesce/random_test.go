package coalesce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// A caller that goes while the proposer reads its records waits until it no
// longer does.
func TestACallerGoesWhileItsRecordsAreRead(t *testing.T) {
	var during func()
	src := bubbleSource()
	src.Wall = func() time.Time {
		if f := during; f != nil {
			during = nil
			f()
		}
		return time.Now()
	}
	bubble(t, Config{Clock: NewClock(src)}, func(r *rig) {
		r.stored(r.start(r.Context(), batch(1, "first", 1, 10)))
		ctx, cancel := context.WithCancel(r.Context())
		left := make(chan error, 1)
		early := false
		during = func() { // between taking the records and encoding them
			cancel()
			synctest.Wait()
			early = len(left) > 0
		}
		go func() {
			_, err := r.c.Append(ctx, []Batch{batch(0, "a", 3, 10)})
			left <- err
		}()
		wantCode(r.T, <-left, stream.CodeUnknownOutcome)
		if early {
			r.Fatal("the caller has left while its records were read")
		}
		r.stored(r.start(r.Context(), batch(0, "b", 1, 10)))
		if got := r.at(0, 4); got != "a-2" {
			r.Fatal(got)
		}
	})
}

// random drives a rig with calls, callers that go, and leaders that are deposed.
type random struct {
	*rig
	rnd   *rand.Rand
	term  uint64
	calls []*randomCall
}

type randomCall struct {
	*pending
	name   string
	shards []uint32
}

func (x *random) step() {
	switch n := x.rnd.IntN(20); {
	case n < 10:
		x.call()
	case n < 14:
		x.mu.Lock()
		x.apply(x.rnd.IntN(len(x.waiting) + 1))
		x.mu.Unlock()
	case n < 15:
		x.holding(x.rnd.IntN(3) > 0)
	case n < 16:
		go func() { _, _ = x.c.Do(x.Context(), shardlog.Trim{}) }()
	case n < 17:
		x.depose()
	default:
		time.Sleep(time.Duration(x.rnd.IntN(10)) * time.Millisecond)
	}
	if x.rnd.IntN(3) == 0 {
		synctest.Wait()
	}
}

func (x *random) call() {
	c := &randomCall{pending: &pending{done: make(chan struct{})}, name: fmt.Sprint("call", len(x.calls))}
	var batches []Batch
	for range 1 + x.rnd.IntN(3) {
		i := uint32(x.rnd.IntN(3))
		c.shards = append(c.shards, i)
		batches = append(batches, batch(i, c.name, x.rnd.IntN(8), 20+x.rnd.IntN(400)))
	}
	ctx, cancel := x.Context(), func() {}
	if x.rnd.IntN(4) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(x.rnd.IntN(20))*time.Millisecond)
	}
	x.calls = append(x.calls, c)
	go func() {
		defer close(c.done)
		defer cancel()
		c.results, c.err = x.c.Append(ctx, batches)
		for _, b := range batches {
			clear(b.Records) // the caller's again
		}
		clear(batches)
	}()
}

// depose lets another leader begin: what is on its way is committed under the
// new one, or lost.
func (x *random) depose() {
	x.term += 2
	x.lead(false, x.term)
	if x.rnd.IntN(2) == 0 {
		x.lose(raftlog.ErrUnknownOutcome)
	}
	synctest.Wait()
	x.holding(false)
	x.lead(true, x.term+1)
	if x.rnd.IntN(2) == 0 {
		synctest.Wait()
	}
}

// verify reads back what was acknowledged, and fails if two records share a
// position of a shard or a later batch lies before an earlier one of its call.
func (x *random) verify() {
	x.Helper()
	taken := map[string]string{}
	for _, c := range x.calls {
		<-c.done
		if c.err != nil {
			continue
		}
		x.check(c.name, c.shards, c.results)
		last := map[uint32]stream.Position{}
		for i, res := range c.results {
			for _, s := range res.Spans {
				if s.Err != nil {
					continue
				}
				if s.First <= last[c.shards[i]] {
					x.Errorf("%s: position %d after %d", c.name, s.First, last[c.shards[i]])
				}
				last[c.shards[i]] = s.First + stream.Position(s.Count-1)
				at := fmt.Sprint(s.First)
				if other := taken[at]; other != "" {
					x.Errorf("position %s was given to %s and %s", at, other, c.name)
				}
				taken[at] = c.name
			}
		}
	}
	if len(x.calls) > 20 && len(taken) == 0 {
		x.Error("nothing was stored")
	}
}

func TestWhateverHappensWhatIsAcknowledgedIsStored(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, Config{EntryBytes: 1000, QueueBytes: 20_000}, func(r *rig) {
				x := &random{rig: r, rnd: rand.New(rand.NewPCG(seed, 1)), term: 1}
				for range 150 {
					x.step()
				}
				x.holding(false)
				x.lead(true, x.term+2)
				synctest.Wait()
				x.verify()
				x.idle()
			})
		})
	}
}
