package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/internal/observe"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
)

// Config is what a node is made of. DataDir is needed, the rest is not.
type Config struct {
	DataDir string
	FS      storage.FS // nil: the machine's

	// Where to serve. The node closes them. nil: not served.
	HTTP, GRPC, Admin net.Listener

	Broker broker.Config
	Pprof  bool // at the admin listener
	Logger *slog.Logger
}

// Node is a running node. Any goroutine may call its methods.
type Node struct {
	cfg Config
	log *slog.Logger
	id  string

	store    *storage.Store
	host     *raftlog.Host
	broker   *broker.Broker
	registry *prometheus.Registry
	metrics  *observe.Log
	servers  *servers

	failOnce sync.Once
	failed   chan struct{} // closed when the node cannot go on
	failure  error
	ready    atomic.Bool
	damage   atomic.Pointer[error] // the first that was found in what is stored
	closing  sync.Once
	closeErr error
}

// StoreDir is where below a data directory the store is.
func StoreDir(dataDir string) string { return filepath.Join(dataDir, "store") }

// MetaDir is where below a data directory the metadata group's log is.
func MetaDir(dataDir string) string { return filepath.Join(dataDir, "meta") }

// Start opens the data directory and serves. It returns when everything is
// open; Ready tells when the node takes records. ctx bounds the start only.
// Errors to tell apart: storage.ErrLocked, ErrDiskFull, ErrCorrupt.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{cfg: cfg, log: cfg.Logger, failed: make(chan struct{}), registry: observe.NewRegistry()}
	n.metrics = observe.NewLog(n.registry)
	for _, open := range []func(context.Context) error{n.openStore, n.openHost, n.openBroker, n.serve} {
		if err := open(ctx); err != nil {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return nil, errors.Join(err, n.Close(bounded))
		}
	}
	return n, nil
}

func (n *Node) openStore(context.Context) error {
	store, err := storage.Open(storage.Config{
		Dir: StoreDir(n.cfg.DataDir), FS: n.cfg.FS, Logger: n.log.With("part", "storage"),
		OnFatal: n.diskFailed, ObserveSync: n.metrics.Synced,
		OnCorruption: func(err *storage.CorruptionError) { n.damaged(err) },
	})
	if err != nil {
		return err
	}
	n.store = store
	n.id, err = identity(store)
	return err
}

func (n *Node) openHost(context.Context) error {
	metaDir := MetaDir(n.cfg.DataDir)
	if n.cfg.FS != nil {
		metaDir = "" // the log of the metadata group needs a real file
	}
	host, err := raftlog.NewHost(raftlog.Config{
		NodeID: n.id, Store: n.store, MetaLogDir: metaDir, FS: n.cfg.FS, Logger: n.log.With("part", "raftlog"),
		OnFatal:      n.diskFailed,
		OnQuarantine: n.quarantined,
		Observe:      n.metrics.Groups(),
	})
	n.host = host
	return err
}

func (n *Node) openBroker(ctx context.Context) error {
	b, err := broker.Open(ctx, n.cfg.Broker, broker.Deps{
		Store: n.store, Host: n.host, Logger: n.log.With("part", "broker"), OnCorrupt: n.damaged,
	})
	n.broker = b
	return err
}

// observe registers what is read from its owners at each scrape.
func (n *Node) observe() {
	observe.RegisterShards(n.registry, n.broker.ShardStats)
	observe.RegisterTailCache(n.registry, n.broker.TailCacheStats)
	observe.RegisterStore(n.registry, n.store.Metrics)
}

// ErrDisk is matched by the reason of a node that failed because a write or a
// sync did.
var ErrDisk = errors.New("the disk failed")

func (n *Node) diskFailed(err error) { n.fail(fmt.Errorf("%w: %w", ErrDisk, err)) }

// quarantined hears that a group was taken out of service. Without the metadata,
// or before it has ever served, the node is of no use; else it goes on with
// what is sound, and Ready and the readiness check tell.
func (n *Node) quarantined(id raftlog.GroupID, reason error) {
	n.log.Error("a group is out of service", "group", id, "error", reason)
	if id == raftlog.MetadataGroup || !n.ready.Load() {
		n.fail(fmt.Errorf("%w: group %d is out of service: %w", storage.ErrCorrupt, id, reason))
	}
}

// damaged hears of damage in what is stored. What is sound is served on; whoever
// watches the node is told to look.
func (n *Node) damaged(err error) { n.damage.CompareAndSwap(nil, &err) }

// healthy returns nil if the node takes records and has met no damage, or why not.
func (n *Node) healthy(ctx context.Context) error {
	if damage := n.damage.Load(); damage != nil {
		return fmt.Errorf("%w: %w", storage.ErrCorrupt, *damage)
	}
	return n.broker.Ready(ctx)
}

// fail notes the first reason why the node cannot go on.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() {
		n.log.Error("the node must stop", "error", err)
		n.failure = err
		close(n.failed)
	})
}

// Failed is closed when the node cannot go on. Nothing is acknowledged from
// then on; the process should end without closing the node.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err is why, once Failed is closed. It matches storage.ErrDiskFull,
// storage.ErrCorrupt, else ErrDisk for a failed write or sync.
func (n *Node) Err() error {
	select {
	case <-n.failed:
		return n.failure
	default:
		return nil
	}
}

// ID is the node's identity.
func (n *Node) ID() string { return n.id }

// Broker is the node's broker, for tests that come in below the servers.
func (n *Node) Broker() *broker.Broker { return n.broker }

// Ready returns when the node takes records, or why it never will.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-n.failed:
			cancel(n.failure)
		case <-ctx.Done():
		}
	}()
	if err := n.broker.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("not ready: %w", errors.Join(context.Cause(ctx), err))
		}
		return err
	}
	n.ready.Store(true)
	return nil
}

// Close stops the node: it takes no more calls, lets those under way be
// answered, and closes what is below from top to bottom. When ctx ends it goes on
// without waiting; nothing acknowledged is lost in either case. It may be called
// again.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

func (n *Node) close(ctx context.Context) error {
	var errs []error
	if n.servers != nil {
		errs = append(errs, n.servers.stop(ctx))
	}
	for _, l := range []net.Listener{n.cfg.HTTP, n.cfg.GRPC, n.cfg.Admin} {
		if l != nil {
			_ = l.Close() // closed by its server, if that ever ran
		}
	}
	if n.broker != nil {
		errs = append(errs, wrap("close the broker", n.broker.Close(ctx)))
	}
	if n.host != nil {
		errs = append(errs, wrap("close the groups", n.host.Close(ctx)))
	}
	if n.store != nil {
		errs = append(errs, wrap("close the store", n.store.Close()))
	}
	return errors.Join(errs...)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
