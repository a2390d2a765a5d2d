package raftlog

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/raftlog/snapshot"
	"github.com/runnel-io/runnel/storage"
)

// errHalted is the library's answer to entries that are committed but will not
// be applied here.
var errHalted = errors.New("the group has halted")

// fsm feeds a state machine whose state is on disk. One batch of the store
// holds all effects of a batch of entries and how far the group is: whatever
// the library replays after a start is skipped.
type fsm struct {
	id     GroupID
	store  *storage.Store
	sm     StateMachine
	inLog  bool        // rows are stored by the log
	halt   func(error) // the log can not be followed
	fatal  func(error) // the store can not be written
	watch  func(id GroupID, entries int, took time.Duration)
	state  snapshot.State // the goroutine that applies owns it
	done   atomic.Uint64  // state.Index, published
	halted bool

	entries []Committed // reused
}

var (
	_ raft.FSM         = (*fsm)(nil)
	_ raft.BatchingFSM = (*fsm)(nil)
)

func newFSM(id GroupID, sm StateMachine, applied snapshot.State) *fsm {
	f := &fsm{id: id, sm: sm, state: applied}
	f.done.Store(applied.Index)
	return f
}

// applied is the index of the last entry whose effects are published.
func (f *fsm) applied() uint64 { return f.done.Load() }

// Apply is ApplyBatch of one entry.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries that follow each other. Once it has failed it
// answers errHalted for ever.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	err := errHalted
	if !f.halted {
		err = f.apply(logs, results)
		if err != nil {
			f.halted = true
			f.halt(err)
		}
	}
	if err != nil {
		for i := range results {
			results[i] = errHalted
		}
	}
	return results
}

func (f *fsm) apply(logs []*raft.Log, results []any) error {
	for len(logs) > 0 && logs[0].Index <= f.state.Index {
		logs, results = logs[1:], results[1:]
	}
	if len(logs) == 0 {
		return nil
	}
	begin := time.Now()
	b := f.store.NewBatch()
	defer b.Close()
	defer f.forget()
	next, commands, err := f.gather(b, logs)
	if err != nil {
		return err
	}
	if err := f.step(b, commands, results); err != nil {
		return err
	}
	snapshot.PutApplied(b, f.id, next)
	if err := b.Commit(false); err != nil {
		err = fmt.Errorf("store the state of group %d: %w", f.id, err)
		if !errors.Is(err, storage.ErrClosed) {
			f.fatal(err)
		}
		return err
	}
	f.state = next
	if len(f.entries) > 0 {
		f.sm.Published(next.Index)
	}
	f.done.Store(next.Index) // after Published: whoever sees it sees the effects
	if f.watch != nil {
		f.watch(f.id, len(logs), time.Since(begin))
	}
	return nil
}

// gather decodes entries. All of them must be known before any is applied. It
// tells where in the batch the commands are.
func (f *fsm) gather(b *storage.Batch, logs []*raft.Log) (next snapshot.State, commands []int, err error) {
	next = f.state
	for i, l := range logs {
		switch l.Type {
		case raft.LogCommand:
			c, err := f.decode(l)
			if err != nil {
				return next, nil, fmt.Errorf("entry %d of group %d: %w", l.Index, f.id, err)
			}
			if !f.inLog {
				for _, r := range c.Rows {
					b.Set(r.Key, r.Value)
				}
			}
			f.entries = append(f.entries, c)
			commands = append(commands, i)
		case raft.LogConfiguration:
			next.Configuration, next.ConfigurationIndex = raft.DecodeConfiguration(l.Data), l.Index
		default:
			return next, nil, fmt.Errorf("entry %d of group %d is of unknown type %d", l.Index, f.id, l.Type)
		}
		next.Index, next.Term, next.Applied = l.Index, l.Term, l.Index
	}
	return next, commands, nil
}

func (f *fsm) decode(l *raft.Log) (Committed, error) {
	p, err := entry.Parse(l.Data)
	if err != nil {
		return Committed{}, err
	}
	c := Committed{Index: l.Index, Term: l.Term, Command: p.Command, Rows: p.Rows}
	if p.Term != 0 && p.Term != l.Term {
		c.Rows = nil // the log has not stored them, here or elsewhere
	}
	return c, nil
}

func (f *fsm) step(b *storage.Batch, commands []int, results []any) error {
	if len(commands) == 0 {
		return nil
	}
	answers, err := f.sm.ApplyBatch(b, f.entries)
	if err != nil {
		return fmt.Errorf("apply entries %d to %d of group %d: %w", f.entries[0].Index, f.entries[len(f.entries)-1].Index, f.id, err)
	}
	if len(answers) != len(f.entries) {
		return fmt.Errorf("state machine of group %d gave %d answers to %d entries", f.id, len(answers), len(f.entries))
	}
	for j, i := range commands {
		results[i] = answers[j]
	}
	return nil
}

// forget lets go of the entries' buffers.
func (f *fsm) forget() {
	clear(f.entries)
	f.entries = f.entries[:0]
}

// Snapshot notes how far the state machine is; see package snapshot.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.halted {
		return nil, errHalted
	}
	return snapshot.Point{Applied: f.state.Index}, nil
}

// Restore is not reached: the state is on disk and is not copied.
func (f *fsm) Restore(r io.ReadCloser) error {
	_ = r.Close()
	return snapshot.ErrForeign
}
