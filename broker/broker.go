package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// Broker serves the streams of one node.
type Broker struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	account metadata.Account
	startMs int64
	clock   ratchet // of the metadata

	meta      *metadata.Machine
	metaGroup *raftlog.Group
	cache     *tailcache.Cache
	groups    map[uint32]*dataGroup // fixed once open

	reconciler *reconciler
	rates      *controlRates
	shards     shardTable
	inFlight   budget
	parked     budget
	puts       sync.Pool // *put

	ctx    context.Context // ends when the broker closes
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// Open starts the groups of the node, founds the cluster if the store is empty,
// and begins to serve. It returns when the groups have been opened; Ready tells
// when they have leaders. ctx bounds the opening only.
func Open(ctx context.Context, cfg Config, deps Deps) (*Broker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("broker configuration: %w", err)
	}
	log := deps.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{
		cfg: cfg, deps: deps, log: log,
		account:  metadata.Account{ID: cfg.Account, Region: cfg.Region},
		startMs:  cfg.Now().UnixMilli(),
		clock:    ratchet{wall: cfg.Now, elapsed: cfg.elapsed},
		cache:    tailcache.New(cfg.TailCacheBytes),
		groups:   make(map[uint32]*dataGroup),
		rates:    newControlRates(cfg),
		inFlight: budget{most: cfg.InFlightBytes},
		parked:   budget{most: cfg.ParkedBytes},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.reconciler = newReconciler(b)
	b.meta = metadata.New(metadata.Config{Account: b.account, Logger: log, Changed: b.reconciler.wake})
	if err := b.openGroups(ctx); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
		defer cancel()
		return nil, errors.Join(err, b.Close(ctx))
	}
	b.tasks.Go(func() { b.reconciler.lead(b.ctx) })
	b.tasks.Go(func() { b.tidy(b.ctx) })
	b.tasks.Go(func() { b.rotateKeys(b.ctx) })
	return b, nil
}

// closePatience is how long a broker that could not be opened waits for what it
// has begun.
const closePatience = 5 * time.Second

// Ready returns when the node leads what it has to lead and takes records.
func (b *Broker) Ready(ctx context.Context) error {
	if err := b.metaGroup.Ready(ctx); err != nil {
		return fmt.Errorf("metadata group: %w", err)
	}
	for _, g := range b.groupList() {
		err := g.raft.Status().Quarantined
		if err == nil {
			err = g.coalescer.Ready(ctx)
		}
		if err != nil {
			return fmt.Errorf("data group %d: %w", g.id, err)
		}
	}
	return nil
}

// Close refuses new work, lets what is in flight be answered, and ends every
// goroutine of the broker. The error is the context's. The store and the host
// stay open.
func (b *Broker) Close(ctx context.Context) error {
	b.cancel()
	ended := make(chan struct{})
	go func() {
		b.tasks.Wait()
		b.reconciler.wait()
		close(ended)
	}()
	err := b.closeGroups(ctx)
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Account is the id of the account that owns everything.
func (b *Broker) Account() string { return b.cfg.Account }

// Region is the region that ARNs and texts name.
func (b *Broker) Region() string { return b.cfg.Region }

// StreamARN is the ARN of a stream of that name, existing or not.
func (b *Broker) StreamARN(name string) string {
	return "arn:aws:kinesis:" + b.cfg.Region + ":" + b.cfg.Account + ":stream/" + name
}

func (b *Broker) nowMs() int64 { return b.cfg.Now().UnixMilli() }

// metaMs is the time of metadata commands. It advances whatever the wall does.
func (b *Broker) metaMs() int64 { return b.clock.nowMs(b.meta.TimeMs()) }

// patience bounds what waits for a group: a disk that hangs must not take the
// callers along for ever.
const patience = 30 * time.Second

// propose puts a command into the metadata log and returns its answer. A
// refusal is the error.
func (b *Broker) propose(ctx context.Context, c metadata.Command) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := b.metaGroup.Propose(raftlog.Entry{Command: metadata.Encode(c, b.metaMs())}).Wait(ctx)
	if err != nil {
		return nil, proposeError(err)
	}
	if refused, ok := answer.(*stream.Error); ok && refused != nil {
		return nil, refused
	}
	return answer, nil
}

// proposeError maps an error of raftlog to the catalogue.
func proposeError(err error) error {
	if errors.Is(err, raftlog.ErrNotLeader) || errors.Is(err, raftlog.ErrStopped) || errors.Is(err, raftlog.ErrQuarantined) {
		return stream.Wrap(stream.CodeUnavailable, err, "this node does not lead the metadata at the moment")
	}
	return stream.Wrap(stream.CodeUnknownOutcome, err, "the change may take effect yet")
}

// verify makes sure that what this node has published is the latest.
func verify(ctx context.Context, g *raftlog.Group) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := g.VerifyLeader(ctx); err != nil {
		return stream.Wrap(stream.CodeUnavailable, err, "this node does not lead the group at the moment")
	}
	return nil
}
