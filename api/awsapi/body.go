package awsapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

const (
	// MaxBody is how long a request body may be: base64 of the largest PutRecords,
	// and room for keys.
	MaxBody = 16 << 20

	// budgetPatience is how long a request waits for memory before it is told to
	// come back.
	budgetPatience = time.Second

	// firstStep is how much of a body is read first.
	firstStep = 256 << 10

	// Each step of a body must arrive within bodyGrace and the time that bodyRate gives it.
	bodyGrace = 10 * time.Second
	bodyRate  = 256 << 10 // bytes a second
)

// body is the memory of one request: its bytes and its values.
type body struct {
	buf   []byte
	arena shape.Arena
}

// bodies hands out memory for requests and bounds how much is out.
type bodies struct {
	budget *semaphore.Weighted
	total  int64
	pool   sync.Pool // of *body
}

func newBodies(budget int64) *bodies {
	budget = max(budget, MaxBody+1)
	return &bodies{
		budget: semaphore.NewWeighted(budget), total: budget,
		pool: sync.Pool{New: func() any { return new(body) }},
	}
}

// errTooLarge tells that a body is longer than MaxBody.
var errTooLarge = &Error{Status: http.StatusRequestEntityTooLarge}

// read reads a request's body into memory that is charged until release.
func (bs *bodies) read(w http.ResponseWriter, r *http.Request) (b *body, charged int64, fault *Error) {
	if r.ContentLength > MaxBody {
		return nil, 0, errTooLarge
	}
	control := http.NewResponseController(w)
	b = bs.pool.Get().(*body)
	if charged, fault = bs.fill(r, b, control); fault != nil {
		bs.release(b, charged, false)
		return nil, 0, fault
	}
	if extra := charged - int64(len(b.buf)); extra > 0 {
		bs.budget.Release(extra)
		charged -= extra
	}
	// The connection is watched while the operation runs; that may take its time.
	_ = control.SetReadDeadline(time.Time{})
	return b, charged, nil
}

// fill reads the body step by step. Each step is as long as all before it and
// is charged, and its time allowed, when those have come: so nobody holds more
// than twice what he has sent.
func (bs *bodies) fill(r *http.Request, b *body, control *http.ResponseController) (charged int64, fault *Error) {
	limit := r.ContentLength
	if limit < 0 {
		limit = MaxBody + 1 // of unknown length: one byte too many tells that it is too long
	}
	b.buf = b.buf[:0]
	for have := int64(0); have < limit; have = int64(len(b.buf)) {
		to := min(limit, max(firstStep, 2*have))
		if !bs.acquire(r.Context(), to-charged) {
			return charged, &Error{Code: CodeServiceUnavailable, Message: messageTooBusy, Status: http.StatusServiceUnavailable}
		}
		charged = to
		// The error of a deadline would be that the connection knows none.
		_ = control.SetReadDeadline(time.Now().Add(bodyGrace + time.Duration(to-have)*time.Second/bodyRate))
		b.buf = slices.Grow(b.buf, int(to-have))
		n, err := io.ReadFull(r.Body, b.buf[have:to])
		b.buf = b.buf[:have+int64(n)]
		if r.ContentLength < 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return charged, nil
		}
		if err != nil {
			return charged, bodyFault(err)
		}
	}
	if len(b.buf) > MaxBody {
		return charged, errTooLarge
	}
	return charged, nil
}

func (bs *bodies) acquire(ctx context.Context, n int64) bool {
	if bs.budget.TryAcquire(n) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, budgetPatience)
	defer cancel()
	return bs.budget.Acquire(ctx, n) == nil
}

// release gives memory back. lost tells that somebody may still look at it: then
// only the charge is given back.
func (bs *bodies) release(b *body, charged int64, lost bool) {
	const keep = 2 << 20 // larger buffers are too rare to keep
	if b != nil && !lost && cap(b.buf) <= keep {
		b.arena.Reset()
		bs.pool.Put(b)
	}
	bs.budget.Release(charged)
}

func bodyFault(err error) *Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Code: "RequestTimeoutException", Message: messageBodyTooSlow, Status: http.StatusRequestTimeout}
	}
	return &Error{Code: CodeSerialization, Message: messageBodyCutShort}
}
