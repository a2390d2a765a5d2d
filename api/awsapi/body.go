package awsapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
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

	// A body must arrive within bodyGrace and the time that bodyRate gives it.
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
	budget = max(budget, MaxBody)
	return &bodies{
		budget: semaphore.NewWeighted(budget), total: budget,
		pool: sync.Pool{New: func() any { return new(body) }},
	}
}

// errTooLarge tells that a body is longer than MaxBody.
var errTooLarge = &Error{Status: http.StatusRequestEntityTooLarge}

// read reads a request's body into memory that is charged until release.
func (bs *bodies) read(w http.ResponseWriter, r *http.Request) (b *body, charged int64, fault *Error) {
	size := r.ContentLength
	switch {
	case size > MaxBody:
		return nil, 0, errTooLarge
	case size < 0:
		size = MaxBody // of unknown length: the worst is assumed
	}
	if !bs.acquire(r.Context(), size) {
		return nil, 0, &Error{Code: CodeServiceUnavailable, Message: messageTooBusy, Status: http.StatusServiceUnavailable}
	}
	// The error of a deadline would be that the connection knows none.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyGrace + time.Duration(size)*time.Second/bodyRate))
	b = bs.pool.Get().(*body)
	if fault := b.fill(r.Body, r.ContentLength); fault != nil {
		bs.release(b, size, false)
		return nil, 0, fault
	}
	// The connection is watched while the operation runs; that may take its time.
	_ = control.SetReadDeadline(time.Time{})
	return b, size, nil
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

// fill reads all of src, of length bytes or, if length is negative, up to MaxBody.
func (b *body) fill(src io.Reader, length int64) *Error {
	if length < 0 {
		return b.fillUnknown(src)
	}
	if int64(cap(b.buf)) < length {
		b.buf = make([]byte, length)
	}
	b.buf = b.buf[:length]
	_, err := io.ReadFull(src, b.buf)
	return bodyFault(err)
}

func (b *body) fillUnknown(src io.Reader) *Error {
	b.buf = b.buf[:0]
	for {
		if len(b.buf) == cap(b.buf) {
			grown := make([]byte, len(b.buf), max(64<<10, 2*cap(b.buf)))
			copy(grown, b.buf)
			b.buf = grown
		}
		n, err := src.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		switch {
		case len(b.buf) > MaxBody:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return bodyFault(err)
		}
	}
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
