package grpcapi

import (
	"context"
	"math"
	"sync"
)

// credit is how many bytes of blocks a subscriber may still be sent.
type credit struct {
	mu     sync.Mutex
	bytes  uint64
	raised chan struct{} // there is more than before
}

func newCredit(bytes uint64) *credit {
	return &credit{bytes: bytes, raised: make(chan struct{}, 1)}
}

// add never wraps: who grants everything has granted everything.
func (c *credit) add(bytes uint64) {
	c.mu.Lock()
	c.bytes += min(bytes, math.MaxUint64-c.bytes)
	c.mu.Unlock()
	select {
	case c.raised <- struct{}{}:
	default:
	}
}

func (c *credit) use(bytes uint64) {
	c.mu.Lock()
	c.bytes -= min(bytes, c.bytes)
	c.mu.Unlock()
}

func (c *credit) left() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// atLeast waits until there are so many bytes and returns how many there are. One
// goroutine waits at a time.
func (c *credit) atLeast(ctx context.Context, bytes uint64) (uint64, error) {
	for {
		if have := c.left(); have >= bytes {
			return have, nil
		}
		select {
		case <-c.raised:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
