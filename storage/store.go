// Package storage is the only door to Pebble: one store per node, in which
// every byte of data is written once. It knows keys and values, batches that
// are applied whole, snapshots and iterators; it does not know streams, shards
// or Raft.
//
// Contract. A batch whose Commit(true) returned nil survives kill -9 and a power
// cut; one committed without sync survives if a later synced commit returned,
// since both are in one log. Readers see whole batches only. An fsync that
// fails is never tried again: the store stops accepting writes and tells
// OnFatal, after which the process must end. Damage is answered with
// ErrCorrupt and told to OnCorruption, never with other data.
//
// All methods of Store may be called by many goroutines; a Batch, an Iter and
// a Mark belong to one each. docs/format/files.md says which files there are.
package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system below a store.
type FS = vfs.FS

// MemFS is a file system in memory; CrashCloneCfg says what a crash of it keeps.
type (
	MemFS         = vfs.MemFS
	CrashCloneCfg = vfs.CrashCloneCfg
)

// OSFS is the machine's file system.
func OSFS() FS { return vfs.Default }

// NewCrashableMem is a file system in memory whose unsynced data can be lost
// on demand, for tests of what survives.
func NewCrashableMem() *MemFS { return vfs.NewCrashableMem() }

// Errors of a store. All can be matched with errors.Is.
var (
	ErrNotFound = errors.New("no such key")                            // not retryable
	ErrLocked   = errors.New("directory is in use by another process") // retryable once that process ended
	ErrDiskFull = errors.New("the disk is full up to its reserve")     // retryable, nothing was written
	ErrCorrupt  = errors.New("damage on disk")                         // not retryable
	ErrClosed   = errors.New("store is closed")                        // not retryable
	ErrReadOnly = errors.New("store is open for reading only")         // not retryable
)

// Config says how to open a store. Zero values mean the defaults.
type Config struct {
	Dir    string
	FS     FS // the machine's
	Logger *slog.Logger

	MemtableBytes   int64 // 24 MiB
	MemtableCount   int   // 3, the one being filled included
	BlockCacheBytes int64 // 32 MiB
	ReserveBytes    int64 // free bytes below which writes are refused; 0 = max(5 %, what flushes and compactions may need)

	// ReadOnly changes nothing in the directory. Its lock is shared with other
	// readers.
	ReadOnly bool

	// OnFatal is called at most once, when the store can no longer promise
	// anything: a failed fsync, ENOSPC in the log (then the error matches
	// ErrDiskFull), or damage in shared structures (ErrCorrupt). The process
	// must end. It must not call back into the store.
	OnFatal func(error)
	// OnCorruption is called for damage that concerns a range of keys only.
	OnCorruption func(*CorruptionError)
	// OnSlow is called while one operation of the disk has lasted over a second.
	OnSlow func(time.Duration)
	// ObserveSync is called with the seconds that each sync of the log took.
	ObserveSync func(seconds float64)
	// FreeBytes tells a file system's free and total bytes.
	FreeBytes func(dir string) (free, total uint64, err error)
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MemtableBytes == 0 {
		c.MemtableBytes = 24 << 20
	}
	if c.MemtableCount == 0 {
		c.MemtableCount = 3
	}
	if c.BlockCacheBytes == 0 {
		c.BlockCacheBytes = 32 << 20
	}
	if c.FreeBytes == nil {
		c.FreeBytes = freeBytes(c.FS)
	}
	return c
}

// Store is an open store.
type Store struct {
	cfg     Config
	disk    FS // below the watch over slow operations
	db      *pebble.DB
	lock    *pebble.Lock
	seal    atomic.Pointer[manifestSeal]
	reserve reserve
	events  *events
	watched io.Closer // ends the watch over slow operations

	failed  atomic.Pointer[error] // the first fatal error
	failing sync.Once
	gone    chan struct{} // closed with the first fatal error
	opened  atomic.Bool
	closed  atomic.Bool
}

// Open opens the store in cfg.Dir, making it if there is none. The error is
// ErrLocked if another process has it and ErrCorrupt if damage was found.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if cfg.ReadOnly {
		cfg.FS = readOnlyFS{cfg.FS}
		if _, err := cfg.FS.Stat(cfg.Dir); isNotExist(err) {
			return nil, fmt.Errorf("%w: no directory %s", ErrNotFound, cfg.Dir)
		}
	}
	s := &Store{cfg: cfg, disk: cfg.FS, gone: make(chan struct{})}
	s.reserve.store = s
	s.events = newEvents(s)
	s.cfg.FS, s.watched = vfs.WithDiskHealthChecks(logFS{markerFS{cfg.FS}, s}, slowAfter, nil, s.events.slow)
	if !cfg.ReadOnly {
		if err := MakeDir(s.disk, cfg.Dir); err != nil {
			return nil, errors.Join(asDiskFull(err), s.watched.Close())
		}
	}
	lock, err := lockDir(s.disk, cfg.Dir)
	if err != nil {
		return nil, errors.Join(asDiskFull(err), s.watched.Close())
	}
	s.lock = lock
	if err := s.open(); err != nil {
		if s.failed.Load() != nil { // Pebble may still be at it: the lock is kept until the process ends
			return nil, err
		}
		return nil, errors.Join(asDiskFull(err), lock.Close(), s.watched.Close())
	}
	s.opened.Store(true)
	return s, nil
}

func (s *Store) open() error {
	desc, err := pebble.Peek(s.cfg.Dir, s.cfg.FS)
	if err != nil {
		return fmt.Errorf("look into %s: %w", s.cfg.Dir, err)
	}
	if err := s.checkManifest(desc); err != nil {
		return err
	}
	if !desc.Exists && s.cfg.ReadOnly {
		return fmt.Errorf("%w: %s holds no store", ErrNotFound, s.cfg.Dir)
	}
	if !desc.Exists {
		// The first log of a fresh store is written in a format in which a
		// flipped bit reads as the end of the log. A second opening starts a
		// log of the pinned format.
		fresh, err := s.openDB()
		if err != nil {
			return fmt.Errorf("make a store in %s: %w", s.cfg.Dir, err)
		}
		if err := fresh.Close(); err != nil {
			return fmt.Errorf("make a store in %s: %w", s.cfg.Dir, err)
		}
	}
	s.db, err = s.openDB()
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", s.cfg.Dir, namedAtOpen(err))
	}
	if s.cfg.ReadOnly {
		return nil
	}
	if err := s.startSeal(); err != nil {
		return fmt.Errorf("seal the list of tables: %w", errors.Join(err, s.db.Close(), s.closeSeal()))
	}
	return nil
}

// openDB opens Pebble. What was in the log only is written to tables first, and
// Pebble tries that for ever: when the store has failed over it, nobody waits.
func (s *Store) openDB() (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		db, err := pebble.Open(s.cfg.Dir, s.options())
		done <- opened{db, err}
	}()
	select {
	case o := <-done:
		return o.db, o.err
	case <-s.gone:
		return nil, *s.failed.Load()
	}
}

// named makes damage that Pebble found matchable.
func named(err error) error {
	if err != nil && pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// namedAtOpen knows more: a table that is missing, or shorter or longer than the
// list of tables says, and options that no store was ever opened with. Pebble gives
// them no type. It also says in which log the damage is.
func namedAtOpen(err error) error {
	var place interface{ ErrorDetail() string }
	if errors.As(err, &place) && pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, place.ErrorDetail(), err)
	}
	if isNotExist(err) || err != nil && strings.Contains(err.Error(), "object size mismatch") {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if foreignOptions(err) {
		return fmt.Errorf("%w: file OPTIONS: %w", ErrCorrupt, err)
	}
	return named(err)
}

// foreignOptions tells whether the store was last opened with another order of
// keys, another way to merge, or logs elsewhere. It never is, so the file that
// says so is damaged.
func foreignOptions(err error) bool {
	var elsewhere pebble.ErrMissingWALRecoveryDir
	return errors.As(err, &elsewhere) || err != nil && strings.Contains(err.Error(), " name from file ")
}

// Err is the fatal error after which the store accepts no writes, or nil.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	return nil
}

// Failed is closed with the first fatal error. A commit that was under way may
// never return.
func (s *Store) Failed() <-chan struct{} { return s.gone }

// fatal stops all writes and tells the node, once.
func (s *Store) fatal(err error) {
	s.failing.Do(func() {
		s.failed.Store(&err)
		close(s.gone)
		s.cfg.Logger.Error("the store failed; the process must end", "dir", s.cfg.Dir, "error", err)
		if s.cfg.OnFatal != nil {
			s.cfg.OnFatal(err)
		}
	})
}

// Close makes everything durable and ends the store. Batches, iterators and
// snapshots must be closed before. A store that has failed is left as the
// failure left it, and keeps its lock: what Pebble does in the background goes on
// until the process ends.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	if err := s.failed.Load(); err != nil {
		return *err
	}
	err := s.empty()
	if s.failed.Load() != nil {
		return err
	}
	s.opened.Store(false)
	err = errors.Join(err, s.db.Close(), s.stopSeal())
	return errors.Join(err, s.lock.Close(), s.watched.Close())
}

// empty moves all to tables: an empty log leaves nothing whose end could be
// mistaken.
func (s *Store) empty() error {
	if s.cfg.ReadOnly {
		return nil
	}
	flushed := make(chan error, 1)
	go func() { flushed <- s.db.Flush() }()
	select {
	case err := <-flushed:
		return err
	case <-s.gone:
		return *s.failed.Load()
	}
}
