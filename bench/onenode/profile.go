package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

const profileSeconds = 5

// profile takes profiles of the node, if they are wanted: of the CPU over the
// first seconds, and then of the heap. The load must last longer than that; what
// it returns ends it and keeps the node's metrics. Profiles are for people: figures
// stand without them.
func (b *bench) profile(ctx context.Context, n *node, name string) (stop func()) {
	if b.profiles == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var taking sync.WaitGroup
	taking.Go(func() {
		for _, p := range []struct{ kind, query string }{
			{"cpu", fmt.Sprintf("profile?seconds=%d", profileSeconds)}, {"heap", "heap"}, {"goroutine", "goroutine"}, {"allocs", "allocs"},
		} {
			file := filepath.Join(b.profiles, name+"."+p.kind+".pprof")
			if err := n.fetch(ctx, "/debug/pprof/"+p.query, file); err != nil && ctx.Err() == nil {
				b.sayf("  no %s profile: %v", p.kind, err)
			}
		}
	})
	return func() {
		file := filepath.Join(b.profiles, name+".metrics")
		if err := n.fetch(ctx, "/metrics", file); err != nil && ctx.Err() == nil {
			b.sayf("  no metrics: %v", err)
		}
		cancel()
		taking.Wait()
	}
}

// fetch copies what the admin address serves to a file.
func (n *node) fetch(ctx context.Context, path, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(resp.Body)
	return errors.Join(err, f.Close())
}
