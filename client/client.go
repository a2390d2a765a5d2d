package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// ErrClosed is the cause of errors of calls on a closed client.
var ErrClosed = errors.New("the client is closed")

func closedError() *stream.Error {
	return &stream.Error{Code: stream.CodeUnavailable, Message: "the call was not made", Err: ErrClosed}
}

// Client is a connection to Runnel. See the package comment.
type Client struct {
	cfg    config
	budget *budget
	lanes  []*lane // one a connection
	turn   atomic.Uint32

	// Everything that runs in the background ends when ctx does.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed sync.Once
}

// Sizes of messages and of what may be under way unread. A stream's window
// bounds what one stalled reader makes the client keep.
const (
	maxSend      = stream.MaxPutBytes + 1<<20
	maxReceive   = 3*stream.MaxReadBytes + 1<<20
	streamWindow = 1 << 20
	connWindow   = 4 << 20
	socketBuffer = 64 << 10
)

// New makes a client of the node at addr (host:port); "" is DefaultAddr. It
// does not wait for the connection: that is made with the first call and made
// again whenever it is lost.
func New(addr string, opts ...Option) (*Client, error) {
	if addr == "" {
		addr = DefaultAddr
	}
	cfg := defaults()
	for _, o := range opts {
		o(&cfg)
	}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("client options: %w", err)
	}
	c := &Client{cfg: cfg, budget: newBudget(cfg.retry.Budget)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for range cfg.connections {
		conn, err := grpc.NewClient(addr, cfg.dialOptions()...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("address %q: %w", addr, err), c.Close())
		}
		c.lanes = append(c.lanes, newLane(c, conn))
	}
	return c, nil
}

func (c *config) dialOptions() []grpc.DialOption {
	creds := insecure.NewCredentials()
	if c.tls != nil {
		creds = credentials.NewTLS(c.tls)
	}
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(wire.Codec()),
			grpc.MaxCallSendMsgSize(maxSend),
			grpc.MaxCallRecvMsgSize(maxReceive),
		),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithReadBufferSize(socketBuffer),
		grpc.WithWriteBufferSize(socketBuffer),
		grpc.WithDisableRetry(), // the client retries by itself and knows more
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 5 * time.Second}),
	}, c.dial...)
}

// Close ends all calls and subscriptions and waits for what ran in the
// background. Puts that were sent and not answered have an unknown outcome.
func (c *Client) Close() error {
	var errs []error
	c.closed.Do(func() {
		c.cancel()
		for _, l := range c.lanes {
			l.close()
		}
		c.wg.Wait()
		for _, l := range c.lanes {
			errs = append(errs, l.conn.Close())
		}
	})
	return errors.Join(errs...)
}

// next chooses the lane of a call, in turn.
func (c *Client) next() *lane {
	if len(c.lanes) == 1 {
		return c.lanes[0]
	}
	return c.lanes[c.turn.Add(1)%uint32(len(c.lanes))]
}
