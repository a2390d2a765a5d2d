package logstore

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/storage/key"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testGroup = 7

// model is what a log must hold.
type model struct {
	first, last uint64
	term        uint64
	applied     uint64
	entries     map[uint64]raft.Log
	rows        map[string][]byte // of all entries that were not cut off
	stable      map[string][]byte
}

func (m *model) clone() *model {
	c := *m
	c.entries, c.rows, c.stable = maps.Clone(m.entries), maps.Clone(m.rows), maps.Clone(m.stable)
	return &c
}

// bench is a log on a disk whose power can be cut.
type bench struct {
	mem   *storage.MemFS
	file  string // of the log; "" is in the store
	store *storage.Store
	log   *Log
	model *model
	fuse  atomic.Int64 // the power is cut when so many operations of the disk are left
	rng   *rand.Rand
	kept  int
	cut   atomic.Pointer[storage.MemFS]
}

func newBench(t *rapid.T, file string) *bench {
	b := &bench{
		mem: storage.NewCrashableMem(), file: file,
		rng:   rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
		model: &model{entries: map[uint64]raft.Log{}, rows: map[string][]byte{}, stable: map[string][]byte{}},
	}
	b.fuse.Store(1 << 40)
	b.open(t)
	return b
}

func (b *bench) burn(string) error {
	if b.fuse.Add(-1) == 0 {
		b.cut.Store(b.mem.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: b.kept, RNG: b.rng}))
	}
	return nil
}

func (b *bench) open(t *rapid.T) {
	var err error
	b.store, err = storage.Open(storage.Config{Dir: "data", FS: faultfs.Hook(b.mem, b.burn), MemtableBytes: 256 << 10, BlockCacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b.log, err = Open(b.config())
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) config() Config {
	return Config{
		Group: testGroup, Store: b.store, File: b.file, Logger: slog.New(slog.DiscardHandler),
		Applied: func() uint64 { return b.model.applied },
	}
}

func (b *bench) close(t *rapid.T) {
	if err := errors.Join(b.log.Close(), b.store.Close()); err != nil {
		t.Fatal(err)
	}
}

// check compares the log with a model; nil if they agree. Headers that were cut
// off the front may have come back.
func (b *bench) check(m *model, front bool) error {
	first, _ := b.log.FirstIndex()
	last, _ := b.log.LastIndex()
	if last != m.last || first != m.first && !(front && first < m.first) {
		return fmt.Errorf("log from %d to %d, want %d to %d", first, last, m.first, m.last)
	}
	var term uint64
	if m.applied > 0 {
		term = m.entries[m.applied].Term
	}
	if err := b.log.Check(m.applied, term); err != nil {
		return err
	}
	b.log.Run() // from here on entries come whole
	for index, want := range m.entries {
		var got raft.Log
		err := b.log.GetLog(index, &got)
		switch {
		case index < first || index > last:
			if !errors.Is(err, raft.ErrLogNotFound) {
				return fmt.Errorf("entry %d, which is not in the log: %v", index, err)
			}
		case err != nil:
			return fmt.Errorf("entry %d: %w", index, err)
		case got.Index != want.Index || got.Term != want.Term || got.Type != want.Type || !got.AppendedAt.Equal(want.AppendedAt) ||
			!bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Extensions, want.Extensions):
			return fmt.Errorf("entry %d is %+v, want %+v", index, got, want)
		}
	}
	return errors.Join(b.checkStable(m), b.checkRows(m))
}

func (b *bench) checkStable(m *model) error {
	for name, want := range m.stable {
		if got, err := b.log.Get([]byte(name)); err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%s is %x, %v, want %x", name, got, err, want)
		}
	}
	if len(m.stable) == 0 {
		if _, err := b.log.Get([]byte("LastVoteCand")); err == nil || err.Error() != "not found" {
			return fmt.Errorf("what was never set: %v", err)
		}
	}
	return nil
}

func (b *bench) checkRows(m *model) (err error) {
	if b.file != "" {
		return nil
	}
	lo, hi := key.GroupStateBounds(testGroup)
	it, err := b.store.NewIter(lo, hi)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if want, ok := m.rows[string(it.Key())]; !ok || !bytes.Equal(want, it.Value()) {
			return fmt.Errorf("row %q should not be there, or not so", it.Key())
		}
		n++
	}
	if n != len(m.rows) {
		return fmt.Errorf("%d rows, want %d", n, len(m.rows))
	}
	return it.Error()
}

// draw makes the next entry, and what is to be read of it later.
func (b *bench) draw(t *rapid.T, m *model, index uint64) *raft.Log {
	l := &raft.Log{Index: index, Term: m.term, AppendedAt: time.Unix(0, int64(index)), Type: raft.LogCommand}
	stored := true
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		l.Type, l.AppendedAt = raft.LogNoop, time.Time{}
	case 1:
		l.Type, l.Data = raft.LogConfiguration, []byte("configuration")
	case 2:
		l.Data = []byte("no entry of ours")
		l.Extensions = []byte("extension")
	default:
		e := entry.Entry{Term: m.term, Command: []byte(fmt.Sprint("command ", index))}
		if rapid.IntRange(0, 3).Draw(t, "right") == 0 {
			e.Term, stored = m.term+1, false
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "rows") {
			// Other terms may use the same keys.
			k := key.GroupState(testGroup, fmt.Sprintf("row %d %d", index, i))
			e.Rows = append(e.Rows, entry.Row{Key: k, Value: bytes.Repeat([]byte{byte(index)}, rapid.IntRange(0, 3000).Draw(t, "size"))})
		}
		l.Data = entry.Encode(e).Bytes()
		if stored && b.file == "" {
			for _, r := range e.Rows {
				m.rows[string(r.Key)] = r.Value
			}
		}
	}
	want := *l
	if p, err := entry.Parse(l.Data); err == nil && !stored && b.file == "" {
		p.Rows = nil
		want.Data = entry.Encode(p.Entry).Bytes()
	}
	m.entries[index] = want
	return l
}

// append stores some entries.
func (b *bench) append(t *rapid.T, m *model) func() error {
	if m.term == 0 {
		return nil
	}
	var logs []*raft.Log
	m.last = max(m.last, m.applied)
	for range rapid.IntRange(1, 4).Draw(t, "entries") {
		m.last++
		logs = append(logs, b.draw(t, m, m.last))
	}
	if m.first == 0 {
		m.first = logs[0].Index
	}
	return func() error { return b.log.StoreLogs(logs) }
}

func (b *bench) cutSuffix(t *rapid.T, m *model) func() error {
	if m.last <= m.applied {
		return nil
	}
	from, last := rapid.Uint64Range(max(m.applied+1, m.first), m.last).Draw(t, "from"), m.last
	for i := from; i <= last; i++ {
		if p, err := entry.Parse(m.entries[i].Data); err == nil {
			for _, r := range p.Rows {
				delete(m.rows, string(r.Key))
			}
		}
		delete(m.entries, i)
	}
	m.last = from - 1
	if m.last < m.first {
		m.first, m.last = 0, 0
	}
	return func() error { return b.log.DeleteRange(from, last) }
}

func (b *bench) cutPrefix(t *rapid.T, m *model) func() error {
	if m.applied < m.first || m.first == 0 || m.first == m.last {
		return nil
	}
	from, to := m.first, rapid.Uint64Range(m.first, min(m.applied, m.last-1)).Draw(t, "to")
	m.first = to + 1
	return func() error { return b.log.DeleteRange(from, to) }
}

func (b *bench) setStable(t *rapid.T, m *model) func() error {
	if rapid.Bool().Draw(t, "vote") {
		vote := []byte(rapid.StringN(0, 9, 9).Draw(t, "candidate"))
		m.stable["LastVoteCand"] = vote
		return func() error { return b.log.Set([]byte("LastVoteCand"), vote) }
	}
	m.term++
	m.stable[keyTerm] = indexKey(m.term)
	term := m.term
	return func() error { return b.log.SetUint64([]byte(keyTerm), term) }
}

// TestLog does to a log in the store what a group can do to it, and cuts the
// power after and amid it.
func TestLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, "")
		b.run(t, map[string]func(*rapid.T){
			"power cut": func(t *rapid.T) { b.powerCut(t, nil) },
			"power cut while it appends": func(t *rapid.T) {
				b.powerCut(t, b.append)
			},
			"power cut while it cuts": func(t *rapid.T) { b.powerCut(t, b.cutSuffix) },
			"power cut while it sets": func(t *rapid.T) { b.powerCut(t, b.setStable) },
		})
	})
}

// fewer makes the properties of a test be checked so many times.
func fewer(t *testing.T, checks int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if err := f.Value.Set(fmt.Sprint(checks)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
}

// TestFileLog does the same to a log in a file of its own, but for power cuts.
func TestFileLog(t *testing.T) {
	dir, n := t.TempDir(), 0
	fewer(t, 20) // every write waits for the disk
	rapid.Check(t, func(t *rapid.T) {
		n++
		b := newBench(t, filepath.Join(dir, fmt.Sprint(n), "raft.db"))
		b.run(t, nil)
	})
}

func (b *bench) run(t *rapid.T, more map[string]func(*rapid.T)) {
	do := func(op func(*rapid.T, *model) func() error) func(*rapid.T) {
		return func(t *rapid.T) {
			if run := op(t, b.model); run == nil {
				t.Skip("not now")
			} else if err := run(); err != nil {
				t.Fatal(err)
			}
		}
	}
	actions := map[string]func(*rapid.T){
		"":           func(t *rapid.T) { b.same(t) },
		"append":     do(b.append),
		"cut suffix": do(b.cutSuffix),
		"cut prefix": do(b.cutPrefix),
		"set":        do(b.setStable),
		"apply": func(t *rapid.T) {
			if b.model.last > b.model.applied {
				b.model.applied = rapid.Uint64Range(b.model.applied, b.model.last).Draw(t, "applied")
			}
		},
		"reopen": func(t *rapid.T) { b.close(t); b.open(t) },
	}
	maps.Copy(actions, more)
	t.Repeat(actions)
	b.close(t)
}

func (b *bench) same(t *rapid.T) {
	if err := b.check(b.model, false); err != nil {
		t.Fatal(err)
	}
}

// powerCut cuts the power while op runs or right after it: then either all of
// it has happened or nothing.
func (b *bench) powerCut(t *rapid.T, op func(*rapid.T, *model) func() error) {
	before := b.model.clone()
	b.kept = rapid.IntRange(0, 100).Draw(t, "kept")
	if op != nil {
		run := op(t, b.model)
		if run == nil {
			t.Skip("not now")
		}
		b.fuse.Store(rapid.Int64Range(1, 12).Draw(t, "fuse"))
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	early := b.fuse.Swap(1<<40) <= 0
	if !early {
		b.cut.Store(b.mem.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: b.kept, RNG: b.rng}))
	}
	b.close(t)
	b.mem = b.cut.Load()
	b.open(t)
	err := b.check(b.model, true)
	if err != nil && early {
		if was := b.check(before, true); was == nil {
			b.model, err = before, nil
		} else {
			err = fmt.Errorf("neither as after (%w) nor as before (%w)", err, was)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b.model.first, _ = b.log.FirstIndex()
}

func TestModelSeesRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, "")
		b.model.term = 1
		if err := errors.Join(b.log.SetUint64([]byte(keyTerm), 1), b.append(t, b.model)()); err != nil {
			t.Fatal(err)
		}
		keys := slices.Collect(maps.Keys(b.model.rows))
		if len(keys) == 0 {
			b.close(t)
			t.Skip("no rows")
		}
		batch := b.store.NewBatch()
		batch.Delete([]byte(keys[0]))
		if err := batch.Commit(true); err != nil {
			t.Fatal(err)
		}
		batch.Close()
		if err := b.check(b.model, false); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a missing row: %v", err)
		}
		b.close(t)
	})
}
