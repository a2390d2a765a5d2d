package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
)

// DefaultAddr is where `runnel dev` serves gRPC.
const DefaultAddr = "127.0.0.1:7070"

type config struct {
	tls            *tls.Config
	dial           []grpc.DialOption
	connections    int
	timeout        time.Duration
	attemptTimeout time.Duration
	retry          RetryPolicy
	retryUnknown   bool
}

func defaults() config {
	return config{
		connections:    1,
		timeout:        30 * time.Second,
		attemptTimeout: 10 * time.Second,
		retry:          RetryPolicy{Attempts: 8, Base: 20 * time.Millisecond, Max: time.Second, Budget: 512},
	}
}

// An Option changes what New makes.
type Option func(*config)

// WithTLS encrypts connections. Without it they are in the clear.
func WithTLS(c *tls.Config) Option { return func(o *config) { o.tls = c } }

// WithConnections spreads puts and subscriptions over n connections. One, the
// default, carries several hundred MB/s.
func WithConnections(n int) Option { return func(o *config) { o.connections = n } }

// WithTimeout bounds a call whose context has no deadline, retries included. The
// default is 30 s; 0 means no bound. Subscriptions have none.
func WithTimeout(d time.Duration) Option { return func(o *config) { o.timeout = d } }

// WithAttemptTimeout bounds one attempt of a call; the default is 10 s. A put
// that has no answer by then has an unknown outcome.
func WithAttemptTimeout(d time.Duration) Option { return func(o *config) { o.attemptTimeout = d } }

// WithRetryUnknown makes the client retry puts whose outcome is unknown. A
// record may then be stored more than once.
func WithRetryUnknown() Option { return func(o *config) { o.retryUnknown = true } }

// WithRetry replaces the policy of retries.
func WithRetry(p RetryPolicy) Option { return func(o *config) { o.retry = p } }

// WithDialOptions adds options of grpc.NewClient, after the client's own.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *config) { o.dial = append(o.dial, opts...) }
}

func (c *config) validate() error {
	var errs []error
	if c.connections < 1 || c.connections > 64 {
		errs = append(errs, fmt.Errorf("%d connections, allowed are 1 to 64", c.connections))
	}
	if c.timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v is negative", c.timeout))
	}
	if c.attemptTimeout <= 0 {
		errs = append(errs, fmt.Errorf("attempt timeout %v is not positive", c.attemptTimeout))
	}
	return errors.Join(append(errs, c.retry.validate())...)
}
