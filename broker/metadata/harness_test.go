package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// world is a machine with a store and a clock of its own.
type world struct {
	t     fataler
	store *storage.Store
	m     *Machine
	index uint64
	ms    int64
	woken []stream.StreamID
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

const startMs = 1_790_000_000_000

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := storage.Open(storage.Config{Dir: "db", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, store: store, ms: startMs}
	w.m = w.restore()
	return w
}

// restore is a machine that knows only what is in the store.
func (w *world) restore() *Machine {
	w.t.Helper()
	m := New(Config{
		Account: Account{ID: "123456789012", Region: "eu-west-1"},
		Changed: func(ids []stream.StreamID) { w.woken = append(w.woken, ids...) },
	})
	if err := m.Restore(w.store); err != nil {
		w.t.Fatalf("restore: %v", err)
	}
	return m
}

// do applies commands as one batch and returns their answers.
func (w *world) do(commands ...Command) []any {
	w.t.Helper()
	var entries []raftlog.Committed
	for _, c := range commands {
		w.index++
		entries = append(entries, raftlog.Committed{Index: w.index, Term: 1, Command: Encode(c, w.ms)})
	}
	b := w.store.NewBatch()
	defer b.Close()
	answers, err := w.m.ApplyBatch(b, entries)
	if err != nil {
		w.t.Fatalf("apply: %v", err)
	}
	if err := b.Commit(false); err != nil {
		w.t.Fatalf("commit: %v", err)
	}
	w.m.Published(w.index)
	w.check()
	return answers
}

// must applies a command that is to be taken.
func (w *world) must(c Command) any {
	w.t.Helper()
	answer := w.do(c)[0]
	if err, refused := answer.(*stream.Error); refused {
		w.t.Fatalf("%T refused: %v", c, err)
	}
	return answer
}

// refused applies a command that is to be refused with a code, and returns the text.
func (w *world) refused(c Command, code stream.Code) string {
	w.t.Helper()
	before := w.rows()
	answer := w.do(c)[0]
	err, refused := answer.(*stream.Error)
	if !refused || err.Code != code {
		w.t.Fatalf("%T answered %v, want code %v", c, answer, code)
	}
	if after := w.rows(); !slices.EqualFunc(before, after, bytes.Equal) {
		w.t.Fatalf("%T was refused and changed the state", c)
	}
	return err.Message
}

func (w *world) init(groups uint32) {
	w.must(&Init{Cluster: [16]byte{1}, Groups: groups, Key: [32]byte{2}})
}

func (w *world) stream(name string) *Stream {
	w.t.Helper()
	s, ok := w.m.Stream(name)
	if !ok {
		w.t.Fatalf("no stream %s", name)
	}
	return s
}

// create makes an ACTIVE stream.
func (w *world) create(name string, shards int) *Stream {
	w.t.Helper()
	groups := make([]uint32, shards)
	for i := range groups {
		groups[i] = 1
	}
	w.must(&CreateStream{Name: name, RetentionHours: 24, Groups: groups})
	w.must(&Opened{Stream: w.stream(name).ID})
	return w.stream(name)
}

// round does what the reconciler does with a planned round.
func (w *world) round(name string) {
	w.t.Helper()
	s := w.stream(name)
	f := &Flip{Stream: s.ID, First: s.Op.First}
	for _, p := range s.RoundParents() {
		f.Endings = append(f.Endings, Ending{Shard: p, End: 10, ClosedMs: w.ms})
	}
	w.must(f)
	w.must(&Opened{Stream: s.ID, First: s.Op.First})
}

// settle drives the stream's operation to its end.
func (w *world) settle(name string) {
	w.t.Helper()
	for range 200 {
		s, ok := w.m.Stream(name)
		if !ok || s.Op == nil {
			return
		}
		w.ms = max(w.ms, s.Op.DueMs)
		w.step(s)
	}
	w.t.Fatalf("the operation of %s does not end", name)
}

func (w *world) step(s *Stream) {
	w.t.Helper()
	switch {
	case s.Op.Step == StepFinish:
		w.must(&Finish{Stream: s.ID})
	case s.Op.Kind == OpDelete:
		w.must(&Removed{Stream: s.ID})
	case s.Op.Kind == OpRetention:
		w.must(&RetentionDone{Stream: s.ID, Hours: s.Op.Hours})
	case s.Op.Step == StepPlan:
		w.planOrFinish(s)
	case s.Op.Step == StepClose:
		w.round(s.Name)
	default:
		w.must(&Opened{Stream: s.ID, First: s.Op.First})
	}
}

func (w *world) planOrFinish(s *Stream) {
	w.t.Helper()
	children := Plan(s.OpenShards(), stream.EvenRanges(int(s.Op.Target)))
	if len(children) == 0 {
		w.must(&Finish{Stream: s.ID})
		return
	}
	for i := range children {
		children[i].Group = 1
	}
	w.must(&PlanRound{Stream: s.ID, First: s.NextShard, Children: children})
}

// rows are all rows but the system row, whose clock moves with every command.
func (w *world) rows() [][]byte {
	w.t.Helper()
	var out [][]byte
	lo, hi := key.MetaBounds()
	err := scan(w.store, lo, hi, func(k, v []byte) error {
		if bytes.Equal(k, key.MetaState(systemRow)) {
			return nil
		}
		out = append(out, slices.Concat(k, v))
		return nil
	})
	if err != nil {
		w.t.Fatalf("scan: %v", err)
	}
	return out
}

// check holds every published stream to what must always be true, and the
// published state to what a restart would load.
func (w *world) check() {
	w.t.Helper()
	if err := w.broken(); err != nil {
		w.t.Fatalf("after entry %d: %v", w.index, err)
	}
}

func (w *world) broken() error {
	again := w.restore()
	if again.charged != w.m.charged || again.creating != w.m.creating || !sameLoads(again.loads, w.m.loads) {
		return fmt.Errorf("a restart counts %d %d %v, not %d %d %v",
			again.charged, again.creating, again.loads, w.m.charged, w.m.creating, w.m.loads)
	}
	var errs []error
	n := 0
	w.m.All(func(s *Stream) bool {
		n++
		errs = append(errs, checkStream(s))
		loaded, ok := again.StreamByID(s.ID)
		if !ok || !same(s, loaded) {
			errs = append(errs, fmt.Errorf("a restart loads another state of %s", s.Name))
		}
		return true
	})
	if listed, _ := w.m.List("", n+1); len(listed) != n {
		errs = append(errs, fmt.Errorf("%d of %d streams are listed", len(listed), n))
	}
	return errors.Join(errs...)
}

func sameLoads(a, b []int) bool {
	for i := range max(len(a), len(b)) {
		if at(a, i) != at(b, i) {
			return false
		}
	}
	return true
}

func at(a []int, i int) int {
	if i < len(a) {
		return a[i]
	}
	return 0
}

func same(a, b *Stream) bool {
	if !bytes.Equal(a.encode(), b.encode()) || len(a.shards) != len(b.shards) || len(a.open) != len(b.open) {
		return false
	}
	for i := range a.shards {
		if !reflect.DeepEqual(a.shards[i], b.shards[i]) {
			return false
		}
	}
	return true
}

func checkStream(s *Stream) error {
	if s.Status == Active || s.Status == Updating {
		if !s.tiles() {
			return fmt.Errorf("%s: the open shards do not tile the hash space", s.Name)
		}
	}
	if (s.Op == nil) != (s.Status == Active) {
		return fmt.Errorf("%s is %v with operation %v", s.Name, s.Status, s.Op)
	}
	for i, sh := range s.shards {
		if sh.ID.Index >= s.NextShard || i > 0 && s.shards[i-1].ID.Index >= sh.ID.Index {
			return fmt.Errorf("%s: shard index %d is out of order", s.Name, sh.ID.Index)
		}
		if err := checkShard(s, sh); err != nil {
			return fmt.Errorf("%s: shard %d: %w", s.Name, sh.ID.Index, err)
		}
	}
	return nil
}

func checkShard(s *Stream, sh *Shard) error {
	for _, p := range []int64{sh.Parent, sh.Adjacent} {
		if p < 0 {
			continue
		}
		parent, ok := s.Shard(uint32(p))
		if !ok {
			continue // forgotten
		}
		if parent.CreatedSec >= sh.CreatedSec {
			return fmt.Errorf("created in second %d, its parent in %d", sh.CreatedSec, parent.CreatedSec)
		}
		if sh.Phase != Planned && parent.ClosedMs != sh.OpenedMs {
			return fmt.Errorf("opened at %d, its parent closed at %d", sh.OpenedMs, parent.ClosedMs)
		}
	}
	if sh.Phase == Closed && len(s.Children(sh.ID.Index)) == 0 {
		return errors.New("closed without children")
	}
	return nil
}
