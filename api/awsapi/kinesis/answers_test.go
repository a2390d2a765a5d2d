package kinesis

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runnel-io/runnel/stream"
)

func TestAnswersShareMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers(stream.MaxReadBytes + leastAnswer)
		for _, want := range []int{stream.MaxReadBytes, leastAnswer} {
			n, err := a.room(t.Context())
			if n != want || err != nil {
				t.Fatalf("room for %d bytes, %v, want %d", n, err, want)
			}
			if left := a.keep(n, n+1); left != n {
				t.Errorf("of %d bytes %d are left for a larger answer", n, left)
			}
		}
		begun := time.Now()
		if _, err := a.room(t.Context()); !errors.Is(err, errBusy) || time.Since(begun) != answerPatience {
			t.Fatalf("after %v: %v", time.Since(begun), err)
		}
		got := make(chan int)
		go func() {
			n, err := a.room(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- n
		}()
		synctest.Wait()
		if left := a.keep(stream.MaxReadBytes, 100); left != 100 {
			t.Errorf("%d bytes are left", left)
		}
		if n := <-got; n != leastAnswer {
			t.Errorf("who has waited got %d bytes", n)
		}
		a.leave(leastAnswer)
		a.leave(leastAnswer)
		a.leave(100)
		if n, err := a.room(t.Context()); n != stream.MaxReadBytes || err != nil {
			t.Errorf("in the end there is room for %d bytes, %v", n, err)
		}
	})
}
