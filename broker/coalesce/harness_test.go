package coalesce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// group plays a Raft group of one voter over a real state machine. Entries are
// answered when the test lets them be.
type group struct {
	t       *testing.T
	store   *storage.Store
	machine *shardlog.Machine
	changes chan struct{}

	mu      sync.Mutex
	leader  bool
	term    uint64
	hold    bool      // entries wait for release
	waiting []*waiter // in the order of the log
	index   uint64
	entries []logged
	fail    error // what the next proposals fail with
	answer  any   // what is answered instead of the machine's answer
}

// waiter is a proposal.
type waiter struct {
	entry  entry.Parsed
	bytes  int
	done   chan struct{}
	answer any
	err    error
}

func (w *waiter) Wait(ctx context.Context) (any, error) {
	select {
	case <-w.done:
		return w.answer, w.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// logged is an entry that was proposed.
type logged struct {
	stamp   shardlog.Stamp
	command shardlog.Command
	blocks  []stream.Block
	bytes   int
}

func (l logged) records() (n int) {
	for _, b := range l.blocks {
		n += int(b.Header().Count)
	}
	return n
}

func newGroup(t *testing.T) *group {
	t.Helper()
	store, err := storage.Open(storage.Config{Dir: "data", FS: storage.NewCrashableMem()})
	if err != nil {
		t.Fatal(err)
	}
	g := &group{t: t, store: store, changes: make(chan struct{}, 1), leader: true, term: 1}
	g.machine = shardlog.New(shardlog.Config{Group: 1, Store: store, Cache: tailcache.New(1 << 20)})
	if err := g.machine.Restore(store); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *group) close() {
	g.t.Helper()
	if err := g.store.Close(); err != nil {
		g.t.Error(err)
	}
}

func (g *group) Leadership() (bool, uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader, g.term
}

func (g *group) LeadershipChanges() <-chan struct{} { return g.changes }

func (g *group) Ready(context.Context) error {
	if leader, _ := g.Leadership(); !leader {
		return raftlog.ErrNotLeader
	}
	return nil
}

// lead changes who leads and in which term.
func (g *group) lead(leader bool, term uint64) {
	g.mu.Lock()
	g.leader, g.term = leader, term
	g.mu.Unlock()
	select {
	case g.changes <- struct{}{}:
	default:
	}
}

func (g *group) Propose(e raftlog.Encoded) Proposal {
	g.mu.Lock()
	defer g.mu.Unlock()
	parsed, err := entry.Parse(e.Bytes())
	if err != nil {
		g.t.Error(err)
	}
	w := &waiter{entry: parsed, bytes: e.Len(), done: make(chan struct{})}
	if g.fail != nil {
		w.err = g.fail
		close(w.done)
		return w
	}
	g.note(parsed, e.Len())
	g.waiting = append(g.waiting, w)
	if !g.hold {
		g.apply(1)
	}
	return w
}

func (g *group) note(e entry.Parsed, bytes int) {
	at, c, err := shardlog.Decode(e.Command)
	if err != nil {
		g.t.Error(err)
	}
	l := logged{stamp: at, command: c, bytes: bytes}
	for _, r := range e.Rows {
		b, err := stream.ParseBlock(r.Value)
		if err != nil {
			g.t.Error(err)
		}
		l.blocks = append(l.blocks, b)
	}
	g.entries = append(g.entries, l)
}

// apply applies and answers the next n entries. Under the lock.
func (g *group) apply(n int) {
	for range n {
		w := g.waiting[0]
		g.waiting = g.waiting[1:]
		w.answer, w.err = g.applyOne(w)
		close(w.done)
	}
}

func (g *group) applyOne(w *waiter) (any, error) {
	b := g.store.NewBatch()
	defer b.Close()
	g.index++
	for _, r := range w.entry.Rows {
		b.Set(r.Key, r.Value)
	}
	e := raftlog.Committed{Index: g.index, Term: w.entry.Term, Command: w.entry.Command, Rows: w.entry.Rows}
	results, err := g.machine.ApplyBatch(b, []raftlog.Committed{e})
	if err == nil {
		err = b.Commit(false)
	}
	if err != nil {
		g.t.Error(err)
		return nil, err
	}
	g.machine.Published(g.index)
	if g.answer != nil {
		return g.answer, nil
	}
	return results[0], nil
}

// holding makes entries wait, or lets all of them go.
func (g *group) holding(hold bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = hold
	if !hold {
		g.apply(len(g.waiting))
	}
}

// release lets the next n entries go.
func (g *group) release(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.apply(n)
}

// lose answers all that waits with an error, as a leader does that is deposed.
func (g *group) lose(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.waiting {
		w.err = err
		close(w.done)
	}
	g.waiting = nil
}

// log returns the entries proposed since the last call.
func (g *group) log() []logged {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.entries
	g.entries = nil
	return out
}

// rig is a coalescer over a group, in a bubble of its own time.
type rig struct {
	*testing.T
	*group
	c *Coalescer
}

// bubble runs f with a rig whose shards 0 to 2 are open.
func bubble(t *testing.T, cfg Config, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		defer g.close()
		cfg.Group, cfg.Machine = g, g.machine
		if cfg.Clock == nil {
			cfg.Clock = NewClock(bubbleSource())
		}
		r := &rig{T: t, group: g, c: New(cfg)}
		defer r.end()
		r.open(0, 1, 2)
		f(r)
	})
}

// end closes the coalescer, which then must have forgotten every call.
func (r *rig) end() {
	r.Helper()
	r.holding(false)
	if err := r.c.Close(r.Context()); err != nil {
		r.Errorf("close: %v", err)
	}
	r.idle()
}

// bubbleSource is a wall and an elapsed time that agree.
func bubbleSource() Source {
	start := time.Now()
	return Source{Wall: time.Now, Elapsed: func() time.Duration { return time.Since(start) }}
}

// idle fails unless the coalescer has forgotten every call.
func (r *rig) idle() {
	r.Helper()
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.bytes != 0 || r.c.inFlight != 0 || r.c.controls != 0 || !r.c.queue.empty() {
		r.Errorf("left: %d bytes, %d entries in flight, %d controls, %d calls", r.c.bytes, r.c.inFlight, r.c.controls, len(r.c.queue.calls)-r.c.queue.head)
	}
}

func (r *rig) open(indexes ...uint32) {
	r.Helper()
	synctest.Wait()
	var p shardlog.Prepare
	var o shardlog.OpenShards
	for _, i := range indexes {
		p.Shards = append(p.Shards, shardlog.ShardSpec{ID: shard(i), RetentionHours: 24})
		o.Shards = append(o.Shards, shardlog.Opening{ID: shard(i)})
	}
	r.do(p)
	r.do(o)
	r.log()
}

func (r *rig) do(c shardlog.Command) shardlog.Answer {
	r.Helper()
	a, err := r.c.Do(r.Context(), c)
	if err != nil {
		r.Fatalf("%T: %v", c, err)
	}
	return a
}

func shard(i uint32) stream.ShardID { return stream.ShardID{Stream: 7, Index: i} }

// batch is n records of a shard whose data tells which they are.
func batch(i uint32, name string, n, size int) Batch {
	b := Batch{Shard: shard(i)}
	for j := range n {
		data := make([]byte, size)
		copy(data, fmt.Sprintf("%s-%d", name, j))
		b.Records = append(b.Records, stream.Record{PartitionKey: "k", Data: data})
	}
	return b
}

// pending is an Append under way.
type pending struct {
	done    chan struct{}
	results []Result
	err     error
}

// start begins an Append and returns when it waits for something.
func (r *rig) start(ctx context.Context, batches ...Batch) *pending {
	p := &pending{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.results, p.err = r.c.Append(ctx, batches)
	}()
	synctest.Wait()
	return p
}

// answered tells whether the call has returned.
func (p *pending) answered() bool {
	synctest.Wait()
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stored waits for a call and fails unless all was stored; it returns the
// position of each record by batch.
func (r *rig) stored(p *pending) [][]stream.Position {
	r.Helper()
	<-p.done
	if p.err != nil {
		r.Fatal(p.err)
	}
	out := make([][]stream.Position, len(p.results))
	for i, res := range p.results {
		for _, s := range res.Spans {
			if s.Err != nil {
				r.Fatal(s.Err)
			}
			for n := range s.Count {
				out[i] = append(out[i], s.First+stream.Position(n))
			}
		}
	}
	return out
}

// at reads the record of a shard at a position.
func (r *rig) at(i uint32, p stream.Position) string {
	r.Helper()
	blocks, _, err := r.machine.Read(shard(i), p, 0, 1, 1)
	if err != nil || len(blocks) == 0 {
		r.Fatalf("read shard %d at %d: %v, %d blocks", i, p, err, len(blocks))
	}
	for at, rec := range blocks[0].From(p) {
		if at == p {
			for n, c := range rec.Data {
				if c == 0 {
					return string(rec.Data[:n])
				}
			}
			return string(rec.Data)
		}
	}
	r.Fatalf("shard %d has no record at %d", i, p)
	return ""
}

// check reads back what a call says it has stored, and fails if it is not that.
func (r *rig) check(name string, shards []uint32, results []Result) {
	r.Helper()
	for i, res := range results {
		n := 0
		for _, s := range res.Spans {
			for k := range s.Count {
				if s.Err == nil {
					if got, want := r.at(shards[i], s.First+stream.Position(k)), fmt.Sprintf("%s-%d", name, n); got != want {
						r.Errorf("position %d of shard %d holds %q, acknowledged was %q", s.First+stream.Position(k), shards[i], got, want)
					}
				}
				n++
			}
		}
	}
}

func wantCode(t *testing.T, err error, code stream.Code) {
	t.Helper()
	var e *stream.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want code %v", err, code)
	}
}
