package client

import (
	"context"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// WaitActive waits until the stream is ACTIVE and returns what it then is. A
// stream that does not exist, or is being deleted, is an error at once.
func (c *Client) WaitActive(ctx context.Context, name string) (StreamInfo, error) {
	return c.waitFor(ctx, name, func(info StreamInfo, err error) (bool, error) {
		switch {
		case err != nil:
			return false, err
		case info.Status == StatusDeleting:
			return false, stream.Errorf(stream.CodeInUse, "stream %s is being deleted", name)
		}
		return info.Status == StatusActive, nil
	})
}

// WaitDeleted waits until there is no stream of that name.
func (c *Client) WaitDeleted(ctx context.Context, name string) error {
	_, err := c.waitFor(ctx, name, func(_ StreamInfo, err error) (bool, error) {
		if stream.CodeOf(err) == stream.CodeNotFound && err != nil {
			return true, nil
		}
		return false, err
	})
	return err
}

// waitFor asks often at first and then every 500 ms, which the server's limit
// of ten descriptions a second can bear.
func (c *Client) waitFor(ctx context.Context, name string, done func(StreamInfo, error) (bool, error)) (StreamInfo, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		info, err := c.DescribeStream(ctx, name)
		if ok, err := done(info, err); ok || err != nil {
			return info, err
		}
		if !sleep(ctx, pause) {
			return info, stream.Wrap(stream.CodeUnavailable, context.DeadlineExceeded, "stream "+name+" is still "+string(info.Status))
		}
	}
}
