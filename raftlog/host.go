package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/logstore"
	"github.com/runnel-io/runnel/raftlog/snapshot"
	"github.com/runnel-io/runnel/storage"
)

// Host runs the groups of a node. Its methods may be called by many goroutines.
type Host struct {
	cfg    Config
	failed atomic.Pointer[error] // why no log can be written any more
	dead   chan struct{}         // closed after failed is set

	unwatch sync.Once
	stop    chan struct{}
	watched chan struct{}

	mu     sync.Mutex
	groups map[GroupID]*Group
	closed bool
}

// NewHost makes a host without groups. It must be closed.
func NewHost(cfg Config) (*Host, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("raft host: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Truncation = cfg.Truncation.withDefaults()
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 20 * time.Second
	}
	h := &Host{
		cfg: cfg, groups: map[GroupID]*Group{},
		dead: make(chan struct{}), stop: make(chan struct{}), watched: make(chan struct{}),
	}
	go h.watch()
	return h, nil
}

// reserve makes sure that a group is opened, or bootstrapped, once at a time.
func (h *Host) reserve(id GroupID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrStopped
	}
	if g, ok := h.groups[id]; ok && (g == nil || !g.isGone()) {
		return fmt.Errorf("group %d is open", id)
	}
	h.groups[id] = nil
	return nil
}

// settle ends what reserve began. It tells whether the host was closed
// meanwhile.
func (h *Host) settle(id GroupID, g *Group) (closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g == nil {
		delete(h.groups, id)
	} else {
		h.groups[id] = g
	}
	return h.closed
}

// Open starts a group and its state machine. A group that was never
// bootstrapped and never joined waits for a leader. A damaged group is opened
// in quarantine: Status says why. An error means that the node, not the group,
// is in trouble.
func (h *Host) Open(id GroupID, sm StateMachine) (*Group, error) {
	if err := h.reserve(id); err != nil {
		return nil, fmt.Errorf("open group %d: %w", id, err)
	}
	g := newGroup(h, id)
	err := g.open(sm)
	close(g.opened)
	if err != nil && !errors.Is(err, storage.ErrCorrupt) {
		h.settle(id, nil)
		return nil, fmt.Errorf("open group %d: %w", id, errors.Join(err, g.Close(context.Background())))
	}
	if err != nil {
		g.quarantine(err)
	}
	if h.settle(id, g) {
		return nil, fmt.Errorf("open group %d: %w", id, errors.Join(ErrStopped, g.Close(context.Background())))
	}
	if h.failed.Load() != nil {
		g.stop() // onFatal may not have seen it
	}
	return g, nil
}

// Bootstrap makes a new group with this node as its only voter, before it is
// opened. It fails with ErrBootstrapped if the group exists already. After a
// crash in between it may be repeated.
func (h *Host) Bootstrap(id GroupID) error {
	if err := h.reserve(id); err != nil {
		return fmt.Errorf("bootstrap group %d: %w", id, err)
	}
	defer func() { h.settle(id, nil) }()
	if err := h.bootstrap(id); err != nil {
		return fmt.Errorf("bootstrap group %d: %w", id, err)
	}
	return nil
}

func (h *Host) bootstrap(id GroupID) (err error) {
	applied, snap, err := snapshot.Load(h.cfg.Store, id)
	if err != nil {
		return err
	}
	l, err := logstore.Open(h.logConfig(id, func() uint64 { return applied.Index }))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	fresh, err := l.Fresh()
	if err != nil {
		return err
	}
	if !fresh || applied.Index != 0 || snap.Index != 0 {
		return ErrBootstrapped
	}
	servers := []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(h.cfg.NodeID), Address: raft.ServerAddress(h.cfg.NodeID)}}
	if err := l.SetUint64([]byte("CurrentTerm"), 1); err != nil {
		return err
	}
	return l.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{Servers: servers})})
}

// logConfig tells where a group's log is kept.
func (h *Host) logConfig(id GroupID, applied func() uint64) logstore.Config {
	return logstore.Config{
		Group: id, Store: h.cfg.Store, File: h.logFile(id), Applied: applied,
		Logger: h.cfg.Logger.With("group", id), OnFatal: h.onFatal,
	}
}

func (h *Host) logFile(id GroupID) string { return h.cfg.logFile(id) }

// watch learns of a store that has failed while a write is under way, which
// never returns then, and of writes that last too long.
func (h *Host) watch() {
	defer close(h.watched)
	tick := time.NewTicker(min(time.Second, h.cfg.WriteTimeout/4))
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-h.cfg.Store.Failed():
			h.onFatal(h.cfg.Store.Err())
			return
		case <-tick.C:
		}
		for _, g := range h.running() {
			if d := g.stuck(); d > h.cfg.WriteTimeout {
				h.onFatal(fmt.Errorf("a write to the log of group %d has lasted %v", g.id, d.Round(time.Second)))
				return
			}
		}
	}
}

// onFatal stops all groups and tells the process to stop.
func (h *Host) onFatal(err error) {
	if !h.failed.CompareAndSwap(nil, &err) {
		return
	}
	close(h.dead)
	h.cfg.Logger.Error("nothing can be written any more", "error", err)
	if h.cfg.OnFatal != nil {
		h.cfg.OnFatal(err)
	}
	for _, g := range h.running() {
		g.nudge()
		g.stop()
	}
}

// running are the groups that have been opened.
func (h *Host) running() []*Group {
	h.mu.Lock()
	defer h.mu.Unlock()
	groups := make([]*Group, 0, len(h.groups))
	for _, g := range h.groups {
		if g != nil {
			groups = append(groups, g)
		}
	}
	return groups
}

// Close closes all groups, as Group.Close does.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	groups := h.running()
	errs := make([]error, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() { errs[i] = g.Close(ctx) })
	}
	wg.Wait()
	h.unwatch.Do(func() { close(h.stop) })
	<-h.watched
	return errors.Join(errs...)
}
