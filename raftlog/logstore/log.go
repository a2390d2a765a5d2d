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
var ErrDamaged error = damage{}

type damage struct{}

func (damage) Error() string { return "the log is damaged" }
func (damage) Unwrap() error { return storage.ErrCorrupt }

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
	// load tells of every entry, in order, after it has checked it.
	load(each func(index, term uint64) error) error
	append(logs []*raft.Log) (bytes int, err error)
	read(index, applied uint64, l *raft.Log, headerOnly bool) error
	cutPrefix(first, through uint64) error
	cutSuffix(from, last, applied uint64) error
	set(name, value []byte, writes uint64) error
	get(name []byte) ([]byte, error)
	close() error
}

// Log is the log, term and vote of one group: a raft.LogStore and
// raft.StableStore. Its methods may be called by many goroutines.
type Log struct {
	cfg  Config
	back backend

	writeMu sync.Mutex // held by everything that writes
	writes  uint64     // how often term and vote were written
	mark    *storage.Mark
	begun   atomic.Int64 // when the write under way began, unix nanoseconds; 0 is none

	mu    sync.Mutex
	first uint64 // 0, 0: empty
	last  uint64
	at    watermark

	lastTerm uint64 // of the last entry at the opening

	term  atomic.Uint64
	dirty chan struct{}
	stop  chan struct{}
	kept  chan struct{}

	live   atomic.Bool
	failed atomic.Pointer[error]
}

var (
	_ raft.LogStore          = (*Log)(nil)
	_ raft.StableStore       = (*Log)(nil)
	_ raft.MonotonicLogStore = (*Log)(nil)
)

func newLog(cfg Config) *Log {
	return &Log{cfg: cfg, dirty: make(chan struct{}, 1), stop: make(chan struct{}), kept: make(chan struct{})}
}

// Open opens the log of a group, making an empty one if there is none, and
// checks what can be checked without knowing what is applied. An error that
// matches ErrDamaged concerns the group alone.
func Open(cfg Config) (*Log, error) {
	l := newLog(cfg)
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open log of group %d: %w", cfg.Group, errors.Join(err, l.release()))
	}
	go l.keepMark()
	return l, nil
}

func (l *Log) open() error {
	marked, err := l.openMark()
	if err != nil {
		return err
	}
	if err := l.openBackend(marked, false); err != nil {
		return err
	}
	if err := errors.Join(l.load(), l.loadStable()); err != nil {
		return err
	}
	if marked {
		return errors.Join(l.reaches()...)
	}
	// The watermark is older than the first entry.
	if l.last != 0 || l.writes != 0 {
		return damaged("%s is missing", MarkName(l.cfg.Group))
	}
	return l.vouch(watermark{}, true)
}

func (l *Log) openBackend(marked, readOnly bool) error {
	l.back = &rowLog{store: l.cfg.Store, group: l.cfg.Group}
	if l.cfg.File == "" {
		return nil
	}
	if !marked && !readOnly {
		if err := createBolt(l.cfg.File); err != nil {
			return fmt.Errorf("create %s: %w", l.cfg.File, err)
		}
	}
	b, err := openBolt(l.cfg.File, readOnly)
	if err != nil {
		return err
	}
	l.back = b
	return nil
}

// release lets go of what open has opened.
func (l *Log) release() error {
	var err error
	if l.back != nil {
		err = l.back.close()
	}
	if l.mark != nil {
		err = errors.Join(err, l.mark.Close())
	}
	return err
}

// load checks that the entries follow each other, in index and in term.
func (l *Log) load() error {
	var last, lastTerm uint64
	return l.back.load(func(index, term uint64) error {
		switch {
		case last == 0:
			l.first = index
		case index != last+1:
			return damaged("entry %d is followed by entry %d", last, index)
		case term < lastTerm:
			return damaged("entry %d of term %d is followed by one of term %d", last, lastTerm, term)
		}
		last, lastTerm = index, term
		l.last, l.lastTerm = last, term
		return nil
	})
}

func (l *Log) loadStable() error {
	term, err := l.number(keyTerm)
	if err != nil {
		return err
	}
	l.term.Store(term)
	l.writes, err = l.number(keyWrites)
	return err
}

// number reads a number that may not be there yet.
func (l *Log) number(name string) (uint64, error) {
	n, err := l.GetUint64([]byte(name))
	if errors.Is(err, errNotFound) {
		return 0, nil
	}
	return n, err
}

// reaches tells whether all is there that the watermark vouches for. What is
// before it leaves the log from the front only, and never all of it.
func (l *Log) reaches() (errs []error) {
	if l.last < l.at.index {
		errs = append(errs, damaged("the log ends at entry %d, but was on disk up to entry %d", l.last, l.at.index))
	}
	if t := l.term.Load(); t < l.at.term {
		errs = append(errs, damaged("the term is %d, but %d was on disk", t, l.at.term))
	}
	if l.writes < l.at.writes {
		errs = append(errs, damaged("term and vote were written %d times, and %d of those are on disk", l.at.writes, l.writes))
	}
	return errs
}

// Check tells whether the log is whole, given the index and term of what is
// applied: no gap between them, and every entry that is still to be applied in
// one piece. It is called before the group runs.
func (l *Log) Check(applied, term uint64) error {
	first, last := l.bounds()
	switch {
	case last != 0 && first > applied+1:
		return damaged("entry %d is applied, but the log begins at entry %d", applied, first)
	case last != 0 && last < applied:
		return damaged("entry %d is applied, but the log ends at entry %d", applied, last)
	case max(l.lastTerm, term) > l.term.Load():
		return damaged("there are entries of term %d, but the term is %d", max(l.lastTerm, term), l.term.Load())
	}
	if err := l.agrees(applied, term); err != nil {
		return err
	}
	for index := max(first, applied+1); index <= last && last != 0; index++ {
		var e raft.Log
		if err := l.back.read(index, applied, &e, false); err != nil {
			return fmt.Errorf("entry that is not applied yet: %w", err)
		}
	}
	return nil
}

// agrees tells whether the entry that was applied last is the one in the log.
func (l *Log) agrees(applied, term uint64) error {
	first, last := l.bounds()
	if last == 0 || applied < first || applied > last || applied == 0 {
		return nil
	}
	var e raft.Log
	if err := l.back.read(applied, applied, &e, true); err != nil {
		return err
	}
	if e.Term != term {
		return damaged("entry %d was applied in term %d, but is of term %d in the log", applied, term, e.Term)
	}
	return nil
}

// Run tells the log that the group runs now. From here on damage ends the
// goroutine that meets it, after OnDamage was told: the library would panic.
func (l *Log) Run() { l.live.Store(true) }

// Watermark is the index up to which the log is known to have been on disk.
func (l *Log) Watermark() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.index
}

// Stuck is how long the write that is under way has lasted, 0 if there is none.
func (l *Log) Stuck() time.Duration {
	begun := l.begun.Load()
	if begun == 0 {
		return 0
	}
	return time.Since(time.Unix(0, begun))
}

// write begins a write; what it returns ends it. l.writeMu is held.
func (l *Log) write() (end func()) {
	l.begun.Store(time.Now().UnixNano())
	return func() { l.begun.Store(0) }
}

// Close closes the log. The group must have stopped.
func (l *Log) Close() error {
	close(l.stop)
	<-l.kept
	return errors.Join(l.closeMark(), l.back.close())
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
	defer l.write()()
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
	return l.raise()
}

// raise lifts the watermark to what is on disk now.
func (l *Log) raise() error {
	_, last := l.bounds()
	if err := l.vouch(watermark{index: last, term: l.term.Load(), writes: l.writes}, false); err != nil {
		return l.fail(err)
	}
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
	defer l.write()()
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
	left := from - 1
	if from == first {
		left = 0
	}
	if err := l.vouch(watermark{index: left, term: l.at.term, writes: l.at.writes}, true); err != nil {
		return l.fail(err)
	}
	if err := l.back.cutSuffix(from, last, applied); err != nil {
		return l.fail(err)
	}
	l.setBounds(first, from-1)
	return nil
}
