package logstore

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
)

// ErrDamaged is matched by errors that say that a log on disk is not what was
// written. It matches storage.ErrCorrupt, too.
var ErrDamaged = fmt.Errorf("log is damaged: %w", storage.ErrCorrupt)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// Config is what a Log needs. Applied, Logger and Store must be set.
type Config struct {
	Group uint32
	Store *storage.Store
	// File is where a log of its own is kept; "" keeps it in Store.
	File string
	// Applied is the index up to which the state machine has applied.
	Applied func() uint64
	Logger  *slog.Logger
	// OnFatal is told, once, that the log can not be written any more.
	OnFatal func(error)
	// OnDamage is told of damage that was met while the group runs.
	OnDamage func(error)
	// OnWritten is told of every synced batch of entries. It may be nil.
	OnWritten func(entries, bytes int, took time.Duration)
}

// backend is where entries, terms and votes are kept. Appends, cuts and set are
// durable when they return, but for cutPrefix. They do not run together; reads
// run at any time.
type backend interface {
	load() (first, last uint64, err error)
	append(logs []*raft.Log) (bytes int, err error)
	read(index, applied uint64, l *raft.Log, headerOnly bool) error
	cutPrefix(first, through uint64) error
	cutSuffix(from, last, applied uint64) error
	set(name, value []byte) error
	get(name []byte) ([]byte, error)
	close() error
}

// Log is the log, term and vote of one group: a raft.LogStore and
// raft.StableStore. Its methods may be called by many goroutines.
type Log struct {
	cfg  Config
	back backend

	writeMu sync.Mutex // held by everything that writes
	mu      sync.Mutex
	first   uint64 // 0, 0: empty
	last    uint64

	markMu sync.Mutex // before writeMu
	mark   watermark
	term   atomic.Uint64
	dirty  chan struct{}
	stop   chan struct{}
	kept   chan struct{}

	live   atomic.Bool
	failed atomic.Pointer[error]
}

var (
	_ raft.LogStore          = (*Log)(nil)
	_ raft.StableStore       = (*Log)(nil)
	_ raft.MonotonicLogStore = (*Log)(nil)
)

// Open opens the log of a group and checks what can be checked without knowing
// what is applied. An error that matches ErrDamaged concerns the group alone.
func Open(cfg Config) (*Log, error) {
	l := &Log{cfg: cfg, dirty: make(chan struct{}, 1), stop: make(chan struct{}), kept: make(chan struct{})}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open log of group %d: %w", cfg.Group, err)
	}
	go l.keepMark()
	return l, nil
}

func (l *Log) open() error {
	l.back = &rowLog{store: l.cfg.Store, group: l.cfg.Group}
	if l.cfg.File != "" {
		b, err := openBolt(l.cfg.File)
		if err != nil {
			return err
		}
		l.back = b
	}
	err := l.load()
	if err != nil {
		return errors.Join(err, l.back.close())
	}
	return nil
}

func (l *Log) load() error {
	var err error
	if l.first, l.last, err = l.back.load(); err != nil {
		return err
	}
	term, err := l.GetUint64(keyTerm)
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	l.term.Store(term)
	mark, marked, err := readMark(l.cfg.Store, l.cfg.Group)
	if err != nil {
		return err
	}
	l.mark = mark
	if marked {
		return nil
	}
	// The watermark is older than the first entry.
	if l.last != 0 || term != 0 {
		return damaged("%s is missing", MarkName(l.cfg.Group))
	}
	return l.setMark(watermark{})
}

// Check tells whether the log is whole, given what is applied: no gap before
// it, nothing missing at its end, no term forgotten, and every entry that is
// still to be applied in one piece. It is called before the group runs.
func (l *Log) Check(applied uint64) error {
	first, last := l.bounds()
	if first > applied+1 {
		return damaged("applied is %d, but the log begins at %d", applied, first)
	}
	if end := max(last, applied); end < l.mark.index {
		return damaged("the log ends at %d, but has been on disk up to %d", end, l.mark.index)
	}
	if t := l.term.Load(); t < l.mark.term || t == 0 && max(last, applied) > 0 {
		return damaged("the term is %d, but has been at least %d", t, max(1, l.mark.term))
	}
	for index := max(first, applied+1); index <= last && last != 0; index++ {
		var e raft.Log
		if err := l.back.read(index, applied, &e, false); err != nil {
			return fmt.Errorf("entry that is not applied yet: %w", err)
		}
		if e.Term > l.term.Load() {
			return damaged("entry %d is of term %d, but the term is %d", index, e.Term, l.term.Load())
		}
	}
	return nil
}

// Run tells the log that the group runs now. From here on damage ends the
// goroutine that meets it, after OnDamage was told: the library would panic.
func (l *Log) Run() { l.live.Store(true) }

// Watermark is the index up to which the log is known to have been on disk.
func (l *Log) Watermark() uint64 {
	l.markMu.Lock()
	defer l.markMu.Unlock()
	return l.mark.index
}

// Close raises the watermark and closes the log. The group must have stopped.
func (l *Log) Close() error {
	close(l.stop)
	<-l.kept
	return errors.Join(l.raiseMark(), l.back.close())
}

func (l *Log) bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.last
}

func (l *Log) setBounds(first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first > last {
		first, last = 0, 0
	}
	l.first, l.last = first, last
}

// fail notes that the log could not be written, for ever: after a failed sync
// nobody knows what is on disk.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("write log of group %d: %w", l.cfg.Group, diskFull(err))
	if l.failed.CompareAndSwap(nil, &err) && !errors.Is(err, storage.ErrClosed) && l.cfg.OnFatal != nil {
		l.cfg.OnFatal(err)
	}
	return err
}

func (l *Log) failure() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// IsMonotonic tells the library that the log has no gaps.
func (l *Log) IsMonotonic() bool { return true }

// FirstIndex is the index of the first entry, 0 if there is none.
func (l *Log) FirstIndex() (uint64, error) {
	first, _ := l.bounds()
	return first, nil
}

// LastIndex is the index of the last entry, 0 if there is none.
func (l *Log) LastIndex() (uint64, error) {
	_, last := l.bounds()
	return last, nil
}

// GetLog reads an entry, or returns raft.ErrLogNotFound. Before Run entries
// come without data, but for configurations: nothing else is asked then.
func (l *Log) GetLog(index uint64, log *raft.Log) error {
	first, last := l.bounds()
	if index < first || index > last || last == 0 {
		return raft.ErrLogNotFound
	}
	applied, live := l.cfg.Applied(), l.live.Load()
	err := l.back.read(index, applied, log, !live)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	if live && errors.Is(err, storage.ErrCorrupt) {
		l.cfg.OnDamage(err)
		if index > applied {
			runtime.Goexit() // see Run
		}
	}
	return err
}

// StoreLog appends one entry.
func (l *Log) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries, which follow the last one and each other, in one
// synced batch.
func (l *Log) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.failure(); err != nil {
		return err
	}
	first, last := l.bounds()
	if err := follows(last, logs); err != nil {
		return err
	}
	begin := time.Now()
	size, err := l.back.append(logs)
	if err != nil {
		return l.fail(err)
	}
	if l.cfg.OnWritten != nil {
		l.cfg.OnWritten(len(logs), size, time.Since(begin))
	}
	if last == 0 {
		first = logs[0].Index
	}
	l.setBounds(first, logs[len(logs)-1].Index)
	l.appended()
	return nil
}

func follows(last uint64, logs []*raft.Log) error {
	if last == 0 {
		last = logs[0].Index - 1
	}
	for i, e := range logs {
		if e.Index != last+uint64(i)+1 {
			return fmt.Errorf("entry %d does not follow entry %d", e.Index, last+uint64(i))
		}
	}
	return nil
}

// DeleteRange removes entries from the front of the log, if they are applied,
// or from its end.
func (l *Log) DeleteRange(from, to uint64) error {
	l.markMu.Lock()
	defer l.markMu.Unlock()
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.failure(); err != nil {
		return err
	}
	first, last := l.bounds()
	from, to = max(from, first), min(to, last)
	if from > to || last == 0 {
		return nil
	}
	applied := l.cfg.Applied()
	switch {
	case to == last:
		return l.deleteSuffix(first, from, last, applied)
	case from == first && to <= applied:
		if err := l.back.cutPrefix(first, to); err != nil {
			return l.fail(err)
		}
		l.setBounds(to+1, last)
		return nil
	}
	return fmt.Errorf("delete entries %d to %d of a log from %d to %d, applied is %d", from, to, first, last, applied)
}

// deleteSuffix lowers the watermark first: if it were left until after the cut,
// a crash in between would make a healthy log look damaged.
func (l *Log) deleteSuffix(first, from, last, applied uint64) error {
	if l.mark.index >= from {
		if err := l.setMark(watermark{index: from - 1, term: l.mark.term}); err != nil {
			return err
		}
	}
	if err := l.back.cutSuffix(from, last, applied); err != nil {
		return l.fail(err)
	}
	l.setBounds(first, from-1)
	return nil
}
