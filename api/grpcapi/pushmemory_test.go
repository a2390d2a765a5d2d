package grpcapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPushMemoryIsShared(t *testing.T) {
	m := newPushMemory(pushMemoryBytes)
	for _, c := range []struct{ subs, share int }{
		{0, pushBytes}, {1, pushBytes}, {32, pushBytes}, {64, pushBytes / 2}, {512, leastPush}, {5000, leastPush},
	} {
		m.subs = c.subs
		if got := m.share(); got != c.share {
			t.Errorf("%d subscriptions send %d bytes at once, want %d", c.subs, got, c.share)
		}
	}
}

func TestPushMemoryComesBackWhenSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPushMemory(100)
		never := func(error) { t.Error("a subscription was ended") }
		first, err := m.borrow(t.Context(), 500, never) // more than there is passes when it is alone
		if err != nil {
			t.Fatal(err)
		}
		if l := m.ask(1, never); l != nil {
			t.Error("there was memory left")
		}
		got := make(chan *loan)
		go func() {
			l, err := m.borrow(t.Context(), 60, never)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		first.shrink(30)
		second := <-got
		if first.returned() || second.returned() {
			t.Error("loans are returned before they were")
		}
		first.back()
		first.back()
		second.back()
		if l := m.ask(100, never); l == nil {
			t.Error("not all came back")
		}
		var none *loan
		none.shrink(1)
		none.back()
	})
}

// A subscriber that does not take what it is sent is ended for those who wait,
// and only if somebody does.
func TestPushMemoryIsTakenFromTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPushMemory(100)
		var slow, fresh error
		stuck, err := m.borrow(t.Context(), 60, func(err error) { slow = err })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of the bubble's time
		if slow != nil {
			t.Fatal("the slow one was ended although nobody waited")
		}
		other, err := m.borrow(t.Context(), 40, func(err error) { fresh = err })
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := m.borrow(t.Context(), 60, func(error) {}); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(pushPatience)
		synctest.Wait()
		if !errors.Is(slow, errSlow) || fresh != nil {
			t.Errorf("the slow one ended with %v, the other with %v", slow, fresh)
		}
		stuck.back() // its stream has ended
		<-done
		other.back()
	})
}

func TestPushMemoryIsNotWaitedForByTheDead(t *testing.T) {
	m := newPushMemory(1)
	if _, err := m.borrow(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	why := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := m.borrow(ctx, 1, nil); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
