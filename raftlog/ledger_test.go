package raftlog_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc64"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

// ledger is a state machine that keeps a number, a running hash of all
// commands, and counts what it was asked. It answers each entry with the number
// of entries so far.
type ledger struct {
	group raftlog.GroupID

	mu        sync.Mutex
	count     uint64
	hash      uint64
	applied   uint64 // entries applied by this incarnation
	restored  int
	published uint64
	lastTerm  uint64
	void      int // entries without rows
	fail      error
	refuse    func(raftlog.Committed) bool // delete the rows of such entries
	seen      func(count uint64)           // is told how many entries readers may see
}

func (l *ledger) stateKey() []byte { return key.GroupState(l.group, "ledger") }

func (l *ledger) Restore(r storage.Reader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restored++
	l.count, l.hash = 0, 0
	v, closer, err := r.Get(l.stateKey())
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l.count, l.hash = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
	return closer.Close()
}

var table = crc64.MakeTable(crc64.ECMA)

func chain(hash uint64, command []byte) uint64 {
	return crc64.Update(crc64.Update(0, table, binary.BigEndian.AppendUint64(nil, hash)), table, command)
}

func (l *ledger) ApplyBatch(b *storage.Batch, entries []raftlog.Committed) ([]any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	answers := make([]any, len(entries))
	for i, e := range entries {
		l.count++
		l.applied++
		l.hash = chain(l.hash, e.Command)
		l.lastTerm = e.Term
		if len(e.Rows) == 0 {
			l.void++
		}
		if l.refuse != nil && l.refuse(e) {
			for _, r := range e.Rows {
				b.Delete(r.Key)
			}
		}
		answers[i] = l.count
	}
	b.Set(l.stateKey(), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, l.count), l.hash))
	return answers, nil
}

func (l *ledger) Published(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = index
	if l.seen != nil {
		l.seen(l.count)
	}
}

func (l *ledger) look(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// node is a store with a host on it.
type node struct {
	t     testing.TB
	store *storage.Store
	host  *raftlog.Host

	mu          sync.Mutex
	fatal       error
	quarantined map[raftlog.GroupID]error
}

type nodeConfig struct {
	dir  string
	fs   storage.FS // nil: the machine's
	meta string     // directory of the metadata log
	edit func(*raftlog.Config)

	memtableBytes int64 // 0: 1 MiB
}

func startNode(t testing.TB, c nodeConfig) *node {
	t.Helper()
	n := &node{t: t, quarantined: map[raftlog.GroupID]error{}}
	var err error
	n.store, err = storage.Open(storage.Config{Dir: c.dir, FS: c.fs, MemtableBytes: cmp.Or(c.memtableBytes, 1<<20), BlockCacheBytes: 1 << 20, OnFatal: n.onFatal})
	if err != nil {
		t.Fatal(err)
	}
	cfg := raftlog.Config{
		NodeID: "node-1", Store: n.store, MetaLogDir: c.meta, FS: c.fs, OnFatal: n.onFatal,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		OnQuarantine: func(id raftlog.GroupID, reason error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.quarantined[id] = reason
		},
	}
	if c.edit != nil {
		c.edit(&cfg)
	}
	if n.host, err = raftlog.NewHost(cfg); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) onFatal(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fatal = errors.Join(n.fatal, err)
}

func (n *node) close() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(n.host.Close(ctx), n.store.Close()); err != nil {
		n.t.Fatal(err)
	}
}

// open bootstraps the group if it is new, and opens it.
func (n *node) open(id raftlog.GroupID) (*raftlog.Group, *ledger) {
	n.t.Helper()
	if err := n.host.Bootstrap(id); err != nil && !errors.Is(err, raftlog.ErrBootstrapped) && !errors.Is(err, storage.ErrCorrupt) {
		n.t.Fatal(err)
	}
	l := &ledger{group: id}
	g, err := n.host.Open(id, l)
	if err != nil {
		n.t.Fatal(err)
	}
	return g, l
}

func (n *node) ready(id raftlog.GroupID) (*raftlog.Group, *ledger) {
	n.t.Helper()
	g, l := n.open(id)
	if err := g.Ready(n.t.Context()); err != nil {
		n.t.Fatalf("group %d: %v", id, err)
	}
	return g, l
}

// entryOf is an entry whose command is number, with rows of random-looking
// bytes under keys made of the number.
func entryOf(group raftlog.GroupID, number uint64, rows, size int) raftlog.Entry {
	e := raftlog.Entry{Command: binary.BigEndian.AppendUint64(nil, number)}
	for i := range rows {
		e.Rows = append(e.Rows, raftlog.Row{Key: rowKey(group, number, i), Value: rowValue(number, i, size)})
	}
	return e
}

// rowKey is that of a block. Every few entries a segment begins.
func rowKey(group raftlog.GroupID, number uint64, i int) []byte {
	const rows, entries = 64, 20
	k := key.BlockKey{Group: group, Segment: number/entries + 1, First: 1}
	k.Shard.Index = uint32(number)*rows + uint32(i)
	return k.Append(nil)
}

func rowValue(number uint64, i, size int) []byte {
	v := make([]byte, size)
	x := number*7919 + uint64(i)
	for j := range v {
		x = x*6364136223846793005 + 1442695040888963407
		v[j] = byte(x >> 56)
	}
	return v
}

// put proposes numbers in order and waits for all.
func put(t testing.TB, g *raftlog.Group, from, to uint64, rows, size int) {
	t.Helper()
	var ps []*raftlog.Proposal
	for n := from; n < to; n++ {
		ps = append(ps, g.Propose(entryOf(g.ID(), n, rows, size)))
	}
	for i, p := range ps {
		answer, err := p.Wait(t.Context())
		if err != nil {
			t.Fatalf("proposal %d: %v", from+uint64(i), err)
		}
		if answer != from+uint64(i)+1 {
			t.Fatalf("proposal %d was applied as number %v", from+uint64(i), answer)
		}
	}
}

// checkRows reads the rows of numbers [0, to) back.
func checkRows(t testing.TB, s storage.Reader, group raftlog.GroupID, to uint64, rows, size int) {
	t.Helper()
	for n := range to {
		for i := range rows {
			v, closer, err := s.Get(rowKey(group, n, i))
			if err != nil {
				t.Fatalf("row %d of entry %d: %v", i, n, err)
			}
			if !slices.Equal(v, rowValue(n, i, size)) {
				t.Fatalf("row %d of entry %d is not what was put", i, n)
			}
			_ = closer.Close()
		}
	}
}

func hashOf(numbers uint64) uint64 {
	var h uint64
	for n := range numbers {
		h = chain(h, binary.BigEndian.AppendUint64(nil, n))
	}
	return h
}
