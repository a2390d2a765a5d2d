package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// RetryPolicy says how often and how fast refused calls are tried again.
type RetryPolicy struct {
	// Attempts is the most attempts of one call; 1 means no retries.
	Attempts int
	// Base is the longest pause before the second attempt. It doubles with every
	// attempt up to Max; the pause taken is random below it.
	Base, Max time.Duration
	// Budget is how many retries all calls of the client together may have saved up:
	// each retry takes one, ten come back every second, and one with every fifth
	// success. When it is used up, calls fail at their first refusal.
	Budget int
}

func (p RetryPolicy) validate() error {
	if p.Attempts < 1 || p.Base <= 0 || p.Max < p.Base || p.Budget < 0 {
		return fmt.Errorf("retry policy %+v: attempts and base must be positive, max at least base", p)
	}
	return nil
}

// pause is how long to wait before attempt n, the first retry being 1.
func (p RetryPolicy) pause(n int) time.Duration {
	top := p.Max
	if n < 20 && p.Base<<(n-1) < top {
		top = p.Base << (n - 1)
	}
	return time.Duration(rand.Int64N(int64(top)) + 1)
}

// budget keeps an outage from being answered with a storm of retries.
type budget struct {
	mu     sync.Mutex
	most   float64
	tokens float64
	filled time.Time
}

const (
	budgetPerSecond  = 10
	budgetPerSuccess = 0.2
)

func newBudget(most int) *budget {
	return &budget{most: float64(most), tokens: float64(most), filled: time.Now()}
}

func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.most, b.tokens+budgetPerSecond*max(0, now.Sub(b.filled).Seconds()))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *budget) success() {
	b.mu.Lock()
	b.tokens = min(b.most, b.tokens+budgetPerSuccess)
	b.mu.Unlock()
}

// do runs attempts of one call until one succeeds, fails for good, or ctx, the
// attempts or the budget end.
func (c *Client) do(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	for n := 1; ; n++ {
		err := c.once(ctx, attempt)
		if err == nil {
			c.budget.success()
			return nil
		}
		if n >= c.cfg.retry.Attempts || !c.mayRetry(ctx, err) {
			return err
		}
		if !sleep(ctx, c.cfg.retry.pause(n)) {
			return err
		}
	}
}

func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has || c.cfg.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.timeout)
}

func (c *Client) once(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.attemptTimeout)
	defer cancel()
	return attempt(ctx)
}

func (c *Client) mayRetry(ctx context.Context, err error) bool {
	if ctx.Err() != nil || !c.retryable(stream.CodeOf(err)) || errors.Is(err, ErrClosed) {
		return false
	}
	return c.budget.take(time.Now())
}

func (c *Client) retryable(code stream.Code) bool {
	return code.Retryable() && (code != stream.CodeUnknownOutcome || c.cfg.retryUnknown)
}

// sleep waits d. It tells whether ctx still runs afterwards; it does not begin to
// wait for what the deadline will not let happen.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, has := ctx.Deadline(); has && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
