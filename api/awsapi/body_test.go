package awsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// stuck is a body of which nothing comes.
type stuck struct{ reading, gone chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	close(s.reading)
	<-s.gone
	return 0, http.ErrBodyReadAfterClose
}

// Who announces the longest body and sends nothing holds one step of it.
func TestAnnouncedBodyHoldsNothing(t *testing.T) {
	bs := newBodies(MaxBody)
	s := stuck{make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequest(http.MethodPost, "/", s)
	r.ContentLength = MaxBody
	done := make(chan *Error)
	go func() {
		_, _, fault := bs.read(httptest.NewRecorder(), r)
		done <- fault
	}()
	<-s.reading
	if !bs.budget.TryAcquire(bs.total - firstStep) {
		t.Error("more than the first step is held")
	} else {
		bs.budget.Release(bs.total - firstStep)
	}
	close(s.gone)
	if <-done == nil {
		t.Error("a body that never came was read")
	}
	if !bs.budget.TryAcquire(bs.total) {
		t.Error("something is still held")
	}
}

// A body of unknown length is charged what it turned out to be.
func TestBodyIsChargedItsLength(t *testing.T) {
	for _, size := range []int{0, 1, firstStep - 1, firstStep, firstStep + 1, MaxBody, MaxBody + 1} {
		for _, known := range []bool{true, false} {
			bs := newBodies(MaxBody)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
			if !known {
				r.ContentLength = -1
			}
			b, charged, fault := bs.read(httptest.NewRecorder(), r)
			if size > MaxBody {
				if fault != errTooLarge {
					t.Errorf("%d bytes: %v", size, fault)
				}
				continue
			}
			if fault != nil || len(b.buf) != size || charged != int64(size) {
				t.Errorf("%d bytes, length known %v: %v, charged %d", size, known, fault, charged)
				continue
			}
			bs.release(b, charged, false)
			if !bs.budget.TryAcquire(bs.total) {
				t.Errorf("%d bytes: something is still held", size)
			}
		}
	}
}
