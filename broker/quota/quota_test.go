package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestUnlimited(t *testing.T) {
	w, r, c := NewWrite(Limits{}, start), NewRead(Limits{}, start), NewConsumer(Limits{}, start)
	for range 5000 {
		if !w.Take(start, 10*mib) || !r.Take(start) {
			t.Fatal("a limit that is off refuses")
		}
		r.Pay(start, 10*mib)
	}
	c.Pay(start, 1<<40)
	if c.Wait(start) != 0 {
		t.Error("a consumer waits for a limit that is off")
	}
}

// count is how many writes of size pass at once.
func count(w *Write, now time.Time, size int) int {
	n := 0
	for w.Take(now, size) {
		n++
	}
	return n
}

func TestWriteLimits(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	if n := count(&w, start, 100); n != 1000 {
		t.Errorf("%d records pass at once", n)
	}
	if n := count(&w, after(time.Second/2), 100); n != 500 {
		t.Errorf("%d records pass half a second later", n)
	}
	w = NewWrite(Kinesis(), start)
	if n := count(&w, start, 100<<10); n != 10 {
		t.Errorf("%d records of 100 KiB pass at once", n)
	}
	if n := count(&w, after(time.Second), 100<<10); n != 10 {
		t.Errorf("%d records of 100 KiB pass a second later", n)
	}
	w = NewWrite(Kinesis(), start)
	w.Halve()
	if n := count(&w, start, 100); n != 500 {
		t.Errorf("%d records pass a new leader", n)
	}
	w = NewWrite(Limits{WriteRecords: 7}, start)
	if n := count(&w, start, 100); n != 7 {
		t.Errorf("%d records pass a limit of 7", n)
	}
}

// A refused record must not use up what another could have.
func TestRefusedWritesCostNothing(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	w.Take(start, mib-10)
	for range 5000 {
		if w.Take(start, 11) {
			t.Fatal("too much")
		}
	}
	if n := count(&w, start, 0); n != 999 {
		t.Errorf("%d empty records pass, not 999", n)
	}
}

func TestLargeRecords(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	if !w.Take(start, 10*mib) {
		t.Fatal("a shard that rested refuses a record of 10 MiB")
	}
	if w.Take(start, 1) || w.Take(after(9*time.Second), 10*mib) {
		t.Error("the burst was not used up")
	}
	if !w.Take(after(10*time.Second), 10*mib) {
		t.Error("ten seconds did not save 10 MiB")
	}
	if n := count(&w, after(time.Hour), 100<<10); n != 10 {
		t.Errorf("%d small records used what is saved for large ones", n)
	}
	if !w.Take(after(time.Hour), 9*mib) {
		t.Error("small records used what is saved for large ones")
	}
}

// Small and large records together keep to the rate.
func TestWriteRateHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWrite(Kinesis(), start)
		now, bytes := start, 0
		for range rapid.IntRange(1, 200).Draw(t, "writes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "passed")))
			size := rapid.OneOf(rapid.IntRange(0, mib), rapid.IntRange(mib, 10*mib)).Draw(t, "size")
			if w.Take(now, size) {
				bytes += size
			}
		}
		if most := 10*mib + mib*now.Sub(start).Seconds(); float64(bytes) > most+1 {
			t.Fatalf("%d bytes passed in %v", bytes, now.Sub(start))
		}
	})
}

func TestReadLimits(t *testing.T) {
	r := NewRead(Kinesis(), start)
	for i := range 6 {
		if got := r.Take(start); got != (i < 5) {
			t.Errorf("call %d of a second passes: %v", i, got)
		}
	}
	if !r.Take(after(200 * time.Millisecond)) {
		t.Error("a fifth of a second later a call is refused")
	}
}

func TestReadDebt(t *testing.T) {
	r := NewRead(Kinesis(), start)
	if !r.Take(start) {
		t.Fatal("the first call is refused")
	}
	r.Pay(start, 10*mib)
	if r.Take(after(5*time.Second - time.Millisecond)) {
		t.Error("10 MiB are paid before five seconds")
	}
	if !r.Take(after(5 * time.Second)) {
		t.Error("10 MiB are not paid after five seconds")
	}
	// Two readers of 1 MiB a second each share the shard.
	r = NewRead(Kinesis(), start)
	for i := range 20 {
		now := after(time.Duration(i) * time.Second)
		for range 2 {
			if !r.Take(now) {
				t.Fatalf("refused in second %d", i)
			}
			r.Pay(now, mib)
		}
	}
}

func TestConsumerPace(t *testing.T) {
	c := NewConsumer(Kinesis(), start)
	c.Pay(start, 6*mib)
	if w := c.Wait(start); w != 2*time.Second {
		t.Errorf("waits %v", w)
	}
	if w := c.Wait(after(2 * time.Second)); w != 0 {
		t.Errorf("waits %v after two seconds", w)
	}
}

func TestLimitsChange(t *testing.T) {
	w, r := NewWrite(Kinesis(), start), NewRead(Kinesis(), start)
	w.Set(Limits{WriteRecords: 3, WriteBytes: 100}, start)
	r.Set(Limits{ReadCalls: 2, ReadBytes: 50}, start)
	if n := count(&w, start, 1); n != 3 {
		t.Errorf("%d records pass a limit of 3", n)
	}
	for i := range 3 {
		if got := r.Take(start); got != (i < 2) {
			t.Errorf("call %d passes a limit of 2: %v", i, got)
		}
	}
	r.Pay(start, 100)
	if r.Take(after(2*time.Second-time.Millisecond)) || !r.Take(after(2*time.Second)) {
		t.Error("100 bytes at 50 a second do not block for two seconds")
	}
	if count(&w, after(time.Hour), 1001) != 0 || !w.Take(after(time.Hour), 1000) {
		t.Error("ten seconds of 100 bytes are not the most")
	}
}
