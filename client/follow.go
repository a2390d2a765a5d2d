package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/runnel-io/runnel/stream"
)

// WithShards makes Follow begin with these shards only; their children are
// followed too.
func WithShards(ids ...string) SubscribeOption {
	return func(s *subscribing) { s.shards = ids }
}

// UntilCaughtUp makes Follow end with io.EOF once every shard has been read up to
// its newest record.
func UntilCaughtUp() SubscribeOption { return func(s *subscribing) { s.untilCaughtUp = true } }

// A Follower reads all shards of a stream, and the shards that follow them after a
// reshard: a shard's records come in order, and a child's after its parents'.
type Follower struct {
	client *Client
	name   string
	opts   []SubscribeOption
	until  bool

	ctx     context.Context
	cancel  context.CancelCauseFunc
	batches chan *Batch
	wg      sync.WaitGroup

	mu       sync.Mutex
	parents  map[string][]string // of every shard that is known
	started  map[string]bool
	finished map[string]bool
	running  int
}

// Follow begins at the same kind of place in every shard; a sequence number makes
// sense with WithShards of one shard only. Batches of different shards come in
// turn. The credit of WithCredit is that of each shard; the default is shared.
func (c *Client) Follow(ctx context.Context, name string, from From, opts ...SubscribeOption) (*Follower, error) {
	cfg := subscribing{}
	for _, o := range opts {
		o(&cfg)
	}
	known, roots, err := c.roots(ctx, name, from, cfg.shards)
	if err != nil {
		return nil, err
	}
	if cfg.credit == 0 {
		opts = append(slices.Clone(opts), WithCredit(max(4*DefaultCredit/max(1, len(roots)), 64<<10)))
	}
	f := &Follower{
		client: c, name: name, until: cfg.untilCaughtUp, opts: append(slices.Clone(opts), WithIdle()),
		batches: make(chan *Batch), parents: known, started: map[string]bool{}, finished: map[string]bool{},
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.mu.Lock()
	for _, id := range roots {
		f.start(id, from)
	}
	f.mu.Unlock()
	if len(roots) == 0 {
		f.cancel(io.EOF)
	}
	return f, nil
}

// roots lists the shards that can be read from the place, and those among them
// that are not behind a parent.
func (c *Client) roots(ctx context.Context, name string, from From, only []string) (map[string][]string, []string, error) {
	shards, err := c.ListShards(ctx, name, from.filter())
	if err != nil {
		return nil, nil, err
	}
	known := lineage(shards)
	if len(only) > 0 {
		return known, only, nil
	}
	var roots []string
	for _, s := range shards {
		if !slices.ContainsFunc(known[s.ID], func(p string) bool { _, is := known[p]; return is }) {
			roots = append(roots, s.ID)
		}
	}
	return known, roots, nil
}

func lineage(shards []ShardInfo) map[string][]string {
	known := make(map[string][]string, len(shards))
	for _, s := range shards {
		known[s.ID] = nil
		for _, p := range []string{s.Parent, s.AdjacentParent} {
			if p != "" {
				known[s.ID] = append(known[s.ID], p)
			}
		}
	}
	return known
}

// Next waits for the next batch of any shard. After UntilCaughtUp, and when the
// stream has no shard left to read, it returns io.EOF.
func (f *Follower) Next(ctx context.Context) (*Batch, error) {
	select {
	case b := <-f.batches:
		return b, nil
	case <-f.ctx.Done():
		return nil, f.why()
	case <-ctx.Done():
		return nil, stream.Wrap(stream.CodeUnavailable, ctx.Err(), "waiting for records was given up")
	}
}

func (f *Follower) why() error {
	cause := context.Cause(f.ctx)
	if _, ours := cause.(*stream.Error); ours || cause == io.EOF {
		return cause
	}
	return stream.Wrap(stream.CodeUnavailable, cause, "the follower is closed")
}

// Close ends the follower and waits for its goroutines.
func (f *Follower) Close() {
	f.cancel(context.Canceled)
	f.wg.Wait()
}

// start reads a shard in a goroutine of its own. f.mu is held.
func (f *Follower) start(id string, from From) {
	if f.started[id] {
		return
	}
	f.started[id] = true
	f.running++
	f.wg.Go(func() {
		if err := f.read(id, from); err != nil {
			f.cancel(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.running--; f.running == 0 {
			f.cancel(io.EOF)
		}
	})
}

func (f *Follower) read(id string, from From) error {
	// Not Subscribe: the server may be away just when a parent has ended.
	sub, err := f.client.subscription(f.ctx, f.name, id, from, f.opts)
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		b, err := sub.Next(f.ctx)
		if err != nil {
			return err
		}
		if b.Len() > 0 || b.Ended {
			select {
			case f.batches <- b:
			case <-f.ctx.Done():
				return context.Cause(f.ctx)
			}
		}
		switch {
		case b.Ended:
			return f.finish(id, b.Children)
		case f.until && b.MillisBehind == 0:
			return nil
		}
	}
}

// finish begins those children of a shard all of whose parents are read.
func (f *Follower) finish(id string, children []Child) error {
	if err := f.learn(children); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished[id] = true
	for _, c := range children {
		if !slices.ContainsFunc(c.Parents, f.unread) {
			f.start(c.ID, Horizon())
		}
	}
	return nil
}

// learn asks the server about parents that are not known: they may be children of
// shards that this follower still reads. One that the server does not know is gone.
func (f *Follower) learn(children []Child) error {
	f.mu.Lock()
	unknown := false
	for _, c := range children {
		f.parents[c.ID] = c.Parents
		for _, p := range c.Parents {
			_, known := f.parents[p]
			unknown = unknown || !known
		}
	}
	f.mu.Unlock()
	if !unknown {
		return nil
	}
	shards, err := f.shards()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, parents := range lineage(shards) {
		f.parents[id] = parents
	}
	return nil
}

// shards lists all shards, however long it takes until there is a server that does.
func (f *Follower) shards() ([]ShardInfo, error) {
	for n := 1; ; n++ {
		shards, err := f.client.ListShards(f.ctx, f.name, ShardFilter{})
		if err == nil || !stream.CodeOf(err).Retryable() || errors.Is(err, ErrClosed) {
			return shards, err
		}
		if !sleep(f.ctx, f.client.cfg.retry.pause(n)) {
			return nil, err
		}
	}
}

// unread tells whether a parent's records are still to come. f.mu is held.
func (f *Follower) unread(parent string) bool {
	if f.started[parent] {
		return !f.finished[parent]
	}
	return slices.ContainsFunc(f.parents[parent], f.unread)
}
