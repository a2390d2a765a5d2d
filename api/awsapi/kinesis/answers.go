package kinesis

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/runnel-io/runnel/stream"
)

const (
	// answerBytes is what the records of all answers that are being sent may take.
	answerBytes = 32 << 20
	// leastAnswer is what a read gets while there is no room for a whole answer.
	leastAnswer = 1 << 20
	// answerPatience is how long a read waits before it is told to come back.
	answerPatience = 5 * time.Second
)

// answers bounds the memory of reads: an answer may be shorter than was asked for,
// and the next read goes on behind it.
type answers struct{ free *semaphore.Weighted }

func newAnswers(bytes int64) *answers { return &answers{semaphore.NewWeighted(bytes)} }

var errBusy = stream.Errorf(stream.CodeOverloaded, "too many records are being read")

// room waits until there is memory for an answer and tells how much; leave gives it
// back.
func (a *answers) room(ctx context.Context) (bytes int, err error) {
	if a.free.TryAcquire(stream.MaxReadBytes) {
		return stream.MaxReadBytes, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	if a.free.Acquire(ctx, leastAnswer) != nil {
		return 0, errBusy
	}
	return leastAnswer, nil
}

// keep gives back what an answer of so many bytes does not need.
func (a *answers) keep(room, bytes int) (left int) {
	left = min(room, bytes)
	a.leave(room - left)
	return left
}

func (a *answers) leave(bytes int) { a.free.Release(int64(bytes)) }
