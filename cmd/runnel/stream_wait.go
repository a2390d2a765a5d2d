package main

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/stream"
)

// waitActive waits until the stream can be used, showing its status meanwhile.
func (r *remote) waitActive(ctx context.Context, c *client.Client, name string, w waitSettings) (client.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	bar := newProgress(r.std.err, -1, "waiting until "+name+" is ACTIVE", false)
	defer bar.finish()
	defer tick(bar)()
	info, err := c.WaitActive(ctx, name)
	return info, late(ctx, err, name, w.timeout)
}

func (r *remote) waitDeleted(ctx context.Context, c *client.Client, name string, w waitSettings) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	bar := newProgress(r.std.err, -1, "waiting until "+name+" is deleted", false)
	defer bar.finish()
	defer tick(bar)()
	return late(ctx, c.WaitDeleted(ctx, name), name, w.timeout)
}

// late names the limit that was reached, and what to do.
func late(ctx context.Context, err error, name string, limit time.Duration) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return &failure{
		code: exitUnavailable,
		err:  stream.Errorf(stream.CodeUnavailable, "%s is not done after %s", name, limit),
		hint: "The change goes on. Look with \"runnel stream describe " + name + "\", or wait longer with --timeout.",
	}
}

// tick keeps a bar without a total turning until the returned function is called.
func tick(bar *progress) (stop func()) {
	if bar.bar == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = bar.bar.Add(1)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
