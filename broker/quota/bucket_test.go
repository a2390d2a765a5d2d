package quota

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Unix(1_800_000_000, 0)

func after(d time.Duration) time.Time { return start.Add(d) }

// Whatever is asked when, no stretch of time gives more than burst and rate
// allow, and what was refused could not have been given.
func TestBucketNeverGivesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 1e6).Draw(t, "rate")
		burst := rapid.Float64Range(1, 1e6).Draw(t, "burst")
		b := NewBucket(rate, burst, start)
		if rapid.Bool().Draw(t, "new leader") {
			b.Halve()
		}
		now, level, given := start, b.level, 0.0
		slack := 1e-6 * (burst + rate)
		for range rapid.IntRange(1, 50).Draw(t, "calls") {
			d := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "passed"))
			now = now.Add(d)
			level = min(burst, level+rate*d.Seconds())
			n := rapid.Float64Range(0, 1.5*burst).Draw(t, "n")
			if b.Take(now, n) {
				given += n
				if level -= n; level < -slack {
					t.Fatalf("gave %f, though %f was there", n, level+n)
				}
			} else if n < level-slack {
				t.Fatalf("refused %f, though %f was there", n, level)
			}
		}
		if most := burst + rate*now.Sub(start).Seconds(); given > most+slack {
			t.Fatalf("gave %f, more than %f", given, most)
		}
	})
}

func TestBucketDebt(t *testing.T) {
	b := NewBucket(2, 4, start)
	b.Spend(start, 10)
	if w := b.Wait(start); w != 3*time.Second {
		t.Errorf("6 at 2 a second are paid after %v", w)
	}
	if b.Take(after(3*time.Second), 1) || !b.Take(after(4*time.Second), 2) || b.Take(after(4*time.Second), 0.1) {
		t.Error("debt is not paid first")
	}
	if b.Take(after(time.Hour), 4.1) || b.Level(after(time.Hour)) != 4 {
		t.Error("more than the burst was given")
	}
}

func TestClockGoesBack(t *testing.T) {
	b := NewBucket(1, 1, after(10*time.Second))
	b.Take(after(10*time.Second), 1)
	for range 1000 { // two callers that overtake each other make nothing
		b.Level(after(9999 * time.Millisecond))
		b.Level(after(10 * time.Second))
	}
	if l := b.Level(after(10 * time.Second)); l > 1e-9 {
		t.Errorf("holds %f", l)
	}
	b.Level(start) // the clock was set back: it goes on from there
	if !b.Take(after(time.Second), 1) {
		t.Error("stands still until the clock is back")
	}
}

func TestZeroBucketHasNoLimit(t *testing.T) {
	var b Bucket
	b.Spend(start, 1e12)
	if !b.Take(start, math.MaxFloat64) || b.Wait(start) != 0 {
		t.Error("refuses")
	}
}

func TestSetKeepsUse(t *testing.T) {
	b := NewBucket(10, 10, start)
	b.Halve()
	b.Set(100, 100, start)
	if l := b.Level(start); l != 50 {
		t.Errorf("half full became %f of 100", l)
	}
	b.Spend(start, 80)
	b.Set(10, 10, start)
	if w := b.Wait(start); w != 3*time.Second {
		t.Errorf("30 at 10 a second are paid after %v", w)
	}
	b.Set(0, 0, start)
	if b.Wait(start) != 0 {
		t.Error("is not off")
	}
	b.Set(5, 5, start)
	if l := b.Level(start); l != 5 {
		t.Errorf("turned on, holds %f", l)
	}
}

func TestKeyed(t *testing.T) {
	k := NewKeyed[string](5)
	for i := range 6 {
		if got := k.Take(start, "a"); got != (i < 5) {
			t.Errorf("call %d of a second passes: %v", i, got)
		}
	}
	if !k.Take(start, "b") || k.Take(start, "a") {
		t.Error("keys share a bucket")
	}
	slow := NewKeyed[string](0.5)
	if !slow.Take(start, "a") || slow.Take(after(time.Second), "a") || !slow.Take(after(2*time.Second), "a") {
		t.Error("a call in two seconds is not kept")
	}
	if off := NewKeyed[string](0); !off.Take(start, "a") || off.Keys() != 0 {
		t.Error("a rate that is off refuses or remembers")
	}
}

func TestKeyedForgets(t *testing.T) {
	k := NewKeyed[int](5)
	for i := range 100_000 {
		k.Take(after(time.Duration(i)*time.Millisecond), i)
	}
	if k.Keys() > 2000 {
		t.Errorf("holds %d keys", k.Keys())
	}
	for range 5 {
		k.Take(after(101*time.Second), -1)
		k.sweep(after(101 * time.Second))
	}
	if k.Take(after(101*time.Second), -1) {
		t.Error("a sweep gives back what was used")
	}
}
