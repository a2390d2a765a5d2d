package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/broker/coalesce"
	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// dataGroup is one data group of this node.
type dataGroup struct {
	id        uint32
	raft      *raftlog.Group
	machine   *shardlog.Machine
	coalescer *coalesce.Coalescer
	trimmer   *coalesce.Trimmer
}

func (b *Broker) groupList() []*dataGroup {
	out := make([]*dataGroup, 0, len(b.groups))
	for _, g := range b.groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(x, y *dataGroup) int { return int(x.id) - int(y.id) })
	return out
}

// openGroups opens the metadata group, founds the cluster if there is none,
// and opens its data groups.
func (b *Broker) openGroups(ctx context.Context) error {
	if err := b.openMetadata(ctx); err != nil {
		return fmt.Errorf("open metadata group: %w", err)
	}
	if err := b.found(ctx); err != nil {
		return fmt.Errorf("found cluster: %w", err)
	}
	for id := uint32(1); id <= b.meta.Founded(); id++ {
		if err := b.openData(ctx, id); err != nil {
			return fmt.Errorf("open data group %d: %w", id, err)
		}
	}
	return nil
}

// foundedKey tells that the metadata group was bootstrapped on this store: if
// its log is then found empty, it has been lost and must not be made anew.
var foundedKey = key.Node("metadata-bootstrapped")

// errMetadataLost is why a node does not start.
var errMetadataLost = stream.Wrap(stream.CodeCorrupt, storage.ErrCorrupt, "the log of the metadata is lost, although this node has had one")

func (b *Broker) openMetadata(ctx context.Context) error {
	known, err := b.has(foundedKey)
	if err != nil {
		return err
	}
	if !known {
		if err := b.bootstrap(raftlog.MetadataGroup); err != nil {
			return err
		}
		batch := b.deps.Store.NewBatch()
		defer batch.Close()
		batch.Set(foundedKey, []byte{1})
		if err := batch.Commit(true); err != nil {
			return err
		}
	}
	if b.metaGroup, err = b.deps.Host.Open(raftlog.MetadataGroup, b.meta); err != nil {
		return err
	}
	if st := b.metaGroup.Status(); st.Last == 0 && st.Applied == 0 {
		return errMetadataLost
	}
	return b.metaGroup.Ready(ctx)
}

// bootstrap may be repeated, as after a crash.
func (b *Broker) bootstrap(id uint32) error {
	if err := b.deps.Host.Bootstrap(id); err != nil && !errors.Is(err, raftlog.ErrBootstrapped) {
		return err
	}
	return nil
}

func (b *Broker) has(k []byte) (bool, error) {
	v, err := b.nodeRow(k)
	return v != nil, err
}

// nodeRow reads a row of the node, nil if there is none.
func (b *Broker) nodeRow(k []byte) ([]byte, error) {
	v, closer, err := b.deps.Store.Get(k)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(v), closer.Close()
}

// found writes the first entry of a new cluster.
func (b *Broker) found(ctx context.Context) error {
	if b.meta.Founded() > 0 {
		return nil
	}
	c := &metadata.Init{Groups: uint32(b.cfg.DataGroups)}
	if err := random(c.Cluster[:], c.Key[:]); err != nil {
		return err
	}
	_, err := b.propose(ctx, c)
	return err
}

func random(fields ...[]byte) error {
	for _, f := range fields {
		if _, err := io.ReadFull(rand.Reader, f); err != nil {
			return fmt.Errorf("read randomness: %w", err)
		}
	}
	return nil
}

// openData opens a data group. It is bootstrapped at most once in its life,
// after a metadata entry has said that there is to be one.
func (b *Broker) openData(ctx context.Context, id uint32) (err error) {
	g := &dataGroup{id: id}
	g.machine = shardlog.New(shardlog.Config{Group: id, Store: b.deps.Store, Cache: b.cache, Logger: b.log, OnCorrupt: b.deps.OnCorrupt})
	if !b.meta.Bootstrapped(id) {
		if err := b.bootstrap(id); err != nil {
			return err
		}
		if _, err := b.propose(ctx, &metadata.GroupReady{Group: id}); err != nil {
			return err
		}
	}
	believed, err := b.believed(id)
	if err != nil {
		return err
	}
	if g.raft, err = b.deps.Host.Open(id, g.machine); err != nil {
		return err
	}
	g.coalescer = coalesce.New(coalesce.Config{
		Group: coalesce.Raft(g.raft), Machine: g.machine,
		Clock:      coalesce.NewClock(coalesce.Source{Wall: b.cfg.Now, Elapsed: b.cfg.elapsed}),
		Writable:   b.deps.Store.CheckWritable,
		QueueBytes: b.cfg.InFlightBytes, Logger: b.log.With("group", id),
	})
	g.trimmer = coalesce.NewTrimmer(coalesce.TrimConfig{
		Coalescer: g.coalescer, Machine: g.machine, Logger: b.log.With("group", id),
		AfterClockJump: b.cfg.TrimAfterClockJump, Trusted: b.cfg.trusted,
		Believed: believed, Doubted: func(ms int64) error { return b.keepBelieved(id, ms) },
	})
	b.groups[id] = g
	b.tasks.Go(func() { g.trimmer.Run(b.ctx) })
	return nil
}

func (b *Broker) closeGroups(ctx context.Context) error {
	var all errgroup.Group
	for _, g := range b.groups {
		all.Go(func() error { return g.coalescer.Close(ctx) })
	}
	return all.Wait()
}
