package coalesce

import (
	"math/rand/v2"
	"testing"
	"time"
)

// hands are clocks that a test moves.
type hands struct {
	wall    time.Time
	elapsed time.Duration
}

func newHands() *hands {
	return &hands{wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), elapsed: 17 * time.Hour}
}

func (h *hands) source() Source {
	return Source{Wall: func() time.Time { return h.wall }, Elapsed: func() time.Duration { return h.elapsed }}
}

// pass lets time pass, and reads the clock every so often.
func (h *hands) pass(d, every time.Duration, read func()) {
	for ; d > 0; d -= every {
		h.wall, h.elapsed = h.wall.Add(every), h.elapsed+every
		read()
	}
}

func (h *hands) lead(c *Clock) time.Duration {
	return time.Duration(c.NowMs()-h.wall.UnixMilli()) * time.Millisecond
}

func TestClockFollowsTheWall(t *testing.T) {
	h := newHands()
	c := NewClock(h.source())
	h.pass(time.Hour, time.Second, func() {
		if lead := h.lead(c); lead != 0 {
			t.Fatalf("off by %v", lead)
		}
	})
	if _, stepped := c.SinceStep(); stepped {
		t.Fatal("a step that was none")
	}
}

// A wall that is set back does not take stamps back: they run slower by 1 %.
func TestClockSlewsBack(t *testing.T) {
	h := newHands()
	c := NewClock(h.source())
	h.wall = h.wall.Add(-time.Minute)
	before, began := c.NowMs(), h.elapsed
	h.pass(50*time.Minute, time.Second, func() {
		passed := (h.elapsed - began).Milliseconds()
		if now := c.NowMs(); now-before < passed*99/100-1 || now-before > passed {
			t.Fatalf("%d ms passed, the clock went %d", passed, now-before)
		}
		if c.ExpiryMs() != h.wall.UnixMilli() {
			t.Fatal("records would expire before the wall says so")
		}
	})
	if lead := h.lead(c); lead != 30*time.Second {
		t.Fatalf("ahead by %v", lead)
	}
	h.pass(51*time.Minute, time.Second, func() { c.NowMs() })
	if lead := h.lead(c); lead != 0 {
		t.Fatalf("off by %v in the end", lead)
	}
	if since, stepped := c.SinceStep(); !stepped || since != 101*time.Minute {
		t.Fatalf("step %v ago, %v", since, stepped)
	}
}

func TestClockSlewsForwardOverSeconds(t *testing.T) {
	h := newHands()
	c := NewClock(h.source())
	h.wall = h.wall.Add(3 * time.Second)
	last := c.NowMs()
	h.pass(5*time.Minute, time.Second, func() {
		now := c.NowMs()
		if now-last > 1010 {
			t.Fatalf("%d ms in a second", now-last)
		}
		last = now
		if c.ExpiryMs() > now {
			t.Fatal("records would expire before stamps get there")
		}
	})
	if lead := h.lead(c); lead != 0 {
		t.Fatalf("off by %v", lead)
	}
}

// More than seconds are not slewed over but skipped, if they last.
func TestClockStepsForwardOverMore(t *testing.T) {
	h := newHands()
	c := NewClock(h.source())
	h.wall = h.wall.Add(time.Hour)
	h.pass(20*time.Second, time.Second, func() { c.NowMs() })
	if lead := h.lead(c); lead > -59*time.Minute {
		t.Fatalf("stepped at once: off by %v", lead)
	}
	h.wall = h.wall.Add(-time.Hour) // a slip that was put right
	h.pass(time.Minute, time.Second, func() { c.NowMs() })
	if lead := h.lead(c); lead < 0 || lead > time.Second {
		t.Fatalf("off by %v", lead)
	}
	h.wall = h.wall.Add(time.Hour)
	h.pass(31*time.Second, time.Second, func() { c.NowMs() })
	if lead := h.lead(c); lead != 0 {
		t.Fatalf("off by %v", lead)
	}
	if since, stepped := c.SinceStep(); !stepped || since > time.Second {
		t.Fatalf("step %v ago, %v", since, stepped)
	}
}

func TestClockOverASleepOfTheMachine(t *testing.T) {
	for name, counted := range map[string]bool{"that elapsed time counts": true, "that it does not count": false} {
		t.Run(name, func(t *testing.T) {
			h := newHands()
			c := NewClock(h.source())
			h.pass(time.Minute, time.Second, func() { c.NowMs() })
			h.wall = h.wall.Add(8 * time.Hour)
			if counted {
				h.elapsed += 8 * time.Hour
			}
			if lead := h.lead(c); (lead == 0) != counted {
				t.Fatalf("off by %v", lead)
			}
			h.pass(time.Minute, time.Second, func() { c.NowMs() })
			if lead := h.lead(c); lead != 0 {
				t.Fatalf("off by %v after a minute", lead)
			}
			if _, stepped := c.SinceStep(); stepped == counted {
				t.Fatalf("stepped: %v", stepped)
			}
		})
	}
}

// A new leader begins at the wall or, if stamps of the group are ahead of it,
// where they are; from there they do not stand still.
func TestClockIsSetAtAnElection(t *testing.T) {
	h := newHands()
	c := NewClock(h.source())
	h.wall = h.wall.Add(-20 * time.Minute)
	c.Set(0)
	if lead := h.lead(c); lead != 0 {
		t.Fatalf("off by %v", lead)
	}
	c.Set(h.wall.Add(10 * time.Second).UnixMilli())
	if lead := h.lead(c); lead != 10*time.Second {
		t.Fatalf("off by %v", lead)
	}
	h.pass(100*time.Second, time.Second, func() { c.NowMs() })
	if lead := h.lead(c); lead != 9*time.Second {
		t.Fatalf("off by %v", lead)
	}
}

// Whatever the wall does, stamps advance, and by 1 % slower or faster at most
// unless they skip.
func TestClockNeverGoesBack(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		h := newHands()
		c := NewClock(h.source())
		last := c.NowMs()
		for range 2000 {
			d := time.Duration(rnd.IntN(2000)) * time.Millisecond
			h.elapsed += d
			h.wall = h.wall.Add(d)
			if rnd.IntN(50) == 0 {
				h.wall = h.wall.Add(time.Duration(rnd.NormFloat64() * float64(time.Hour)))
			}
			lag := h.wall.UnixMilli() - last
			now := c.NowMs()
			most := d.Milliseconds()*101/100 + 2
			skipped := lag >= stepOver.Milliseconds() && now == h.wall.UnixMilli()
			if now-last < d.Milliseconds()*99/100-1 || now-last > most && !skipped {
				t.Fatalf("seed %d: %v passed, stamps went %d ms", seed, d, now-last)
			}
			if c.ExpiryMs() > min(c.NowMs(), h.wall.UnixMilli()) {
				t.Fatal("expiry runs ahead")
			}
			last = now
		}
	}
}

func TestSystemClocks(t *testing.T) {
	src := System()
	a, b := src.Elapsed(), src.Elapsed()
	if a <= 0 || b < a {
		t.Fatal(a, b)
	}
	if d := time.Since(src.Wall()); d < 0 || d > time.Minute {
		t.Fatal(d)
	}
	_ = Disciplined() // whatever the machine says
}
