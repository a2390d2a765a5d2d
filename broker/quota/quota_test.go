package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Unix(1_790_000_000, 0)

func after(d time.Duration) time.Time { return start.Add(d) }

func TestWriteTakesAThousandRecordsASecond(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	for i := range 1000 {
		if !w.Take(start, 10) {
			t.Fatalf("record %d refused", i)
		}
	}
	if w.Take(start, 10) || w.Take(after(900*time.Microsecond), 10) {
		t.Fatal("record 1001 taken")
	}
	if !w.Take(after(time.Millisecond+time.Microsecond), 10) {
		t.Fatal("a millisecond later there is room for one")
	}
}

func TestWriteBytesAndLargeRecords(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	if !w.Take(start, mib) || w.Take(start, 1) {
		t.Fatal("one MiB in the first second, no more")
	}
	now := after(10 * time.Second)
	if !w.Take(now, 10*mib) {
		t.Fatal("a large record takes the burst")
	}
	if w.Take(now, 1) {
		t.Fatal("a large record leaves nothing for its second")
	}
	if !w.Take(after(11*time.Second), mib) {
		t.Fatal("a second later ordinary records pass")
	}
	if w.Take(after(12*time.Second), 5*mib) {
		t.Fatal("the burst is not full again")
	}
}

func TestReadDebt(t *testing.T) {
	r := NewRead(Kinesis(), start)
	if !r.Take(start) {
		t.Fatal("first call refused")
	}
	r.Pay(start, 10*mib)
	if r.Take(after(4999 * time.Millisecond)) {
		t.Fatal("10 MiB block for 5 s")
	}
	if !r.Take(after(5001 * time.Millisecond)) {
		t.Fatal("still blocked after 5 s")
	}
	r = NewRead(Kinesis(), start)
	for range 5 {
		if !r.Take(start) {
			t.Fatal("five calls a second")
		}
		r.Pay(start, 1000)
	}
	if r.Take(start) {
		t.Fatal("a sixth call")
	}
}

func TestNoLimit(t *testing.T) {
	w, r, b := NewWrite(Rates{}, start), NewRead(Rates{}, start), Bucket{}
	for range 5000 {
		r.Pay(start, 10*mib)
		if !w.Take(start, 10*mib) || !r.Take(start) || !b.Take(start, 1e9) {
			t.Fatal("refused")
		}
	}
}

func TestNewLeaderStartsHalfFull(t *testing.T) {
	w := NewWrite(Kinesis(), start)
	w.Halve()
	n := 0
	for w.Take(start, 1) {
		n++
	}
	if n != 500 {
		t.Fatalf("%d records", n)
	}
}

// However calls come, no window of time gets more than its rate and one burst,
// also when the clock goes back.
func TestNeverMoreThanRateAndBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1, 1000).Draw(t, "rate")
		b := NewBucket(rate, rate, start)
		now, latest, taken := start, start, 0.0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Second), int64(2*time.Second)).Draw(t, "step")))
			if now.After(latest) {
				latest = now
			}
			if n := rapid.Float64Range(0, rate).Draw(t, "n"); b.Take(now, n) {
				taken += n
			}
			if most := rate*latest.Sub(start).Seconds() + rate; taken > most*(1+1e-9) {
				t.Fatalf("%v taken, %v allowed", taken, most)
			}
		}
	})
}
