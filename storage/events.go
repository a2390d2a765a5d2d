package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// CorruptionError is damage that was found in a file.
type CorruptionError struct {
	Path       string
	Start, End []byte // the keys that may be affected; nil = unknown
	Cause      error
}

func (e *CorruptionError) Error() string {
	if e.Start == nil && e.End == nil {
		return fmt.Sprintf("damage in %s: %v", e.Path, e.Cause)
	}
	return fmt.Sprintf("damage in %s (keys %x to %x): %v", e.Path, e.Start, e.End, e.Cause)
}

// Unwrap makes it match ErrCorrupt and its cause.
func (e *CorruptionError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// events hears what Pebble tells and decides what it means for the store.
type events struct {
	store *Store
	log   *slog.Logger

	filled atomic.Int64 // bytes committed to the present memtable, about

	mu     sync.Mutex
	errors []time.Time // of the background errors of the last ten seconds
}

func newEvents(s *Store) *events { return &events{store: s, log: s.cfg.Logger} }

// More background errors than this within the window stop the node: a disk
// that fails flush after flush will not recover by itself.
const (
	maxBackgroundErrors   = 10
	backgroundErrorWindow = 10 * time.Second
	backgroundErrorPause  = 20 * time.Millisecond // times the failures so far
)

func (e *events) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: e.backgroundError,
		DataCorruption:  e.corruption,
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { e.log.Warn("writes wait for the disk", "reason", i.Reason) },
		WALCreated:      func(pebble.WALCreateInfo) { e.filled.Store(0) }, // with each memtable
		FlushEnd:        func(i pebble.FlushInfo) { e.store.sealManifest(i.Err) },
		CompactionEnd:   func(i pebble.CompactionInfo) { e.store.sealManifest(i.Err) },
	}
}

func (e *events) backgroundError(err error) {
	e.log.Error("background work of the store failed", "error", err)
	now := time.Now()
	e.mu.Lock()
	kept := e.errors[:0]
	for _, t := range e.errors {
		if now.Sub(t) < backgroundErrorWindow {
			kept = append(kept, t)
		}
	}
	e.errors = append(kept, now)
	n := len(e.errors)
	e.mu.Unlock()
	if n > maxBackgroundErrors {
		e.store.fatal(fmt.Errorf("%d failures of background work in %v, the last: %w", n, backgroundErrorWindow, asKnown(err)))
		time.Sleep(time.Second) // whoever waits for the process to end is not to be flooded
		return
	}
	time.Sleep(time.Duration(n) * backgroundErrorPause) // Pebble tries again at once
}

// slowAfter is when an operation of the disk counts as stuck.
const slowAfter = time.Second

func (e *events) slow(i vfs.DiskSlowInfo) {
	e.log.Warn("the disk is slow", "file", i.Path, "operation", i.OpType.String(), "seconds", i.Duration.Seconds())
	if e.store.cfg.OnSlow != nil {
		e.store.cfg.OnSlow(i.Duration)
	}
}

func (e *events) corruption(i pebble.DataCorruptionInfo) {
	err := &CorruptionError{Path: i.Path, Start: i.Bounds.Start, End: i.Bounds.End.Key, Cause: i.Details}
	e.log.Error("damage on disk", "file", err.Path, "error", err.Cause)
	if e.store.cfg.OnCorruption != nil {
		e.store.cfg.OnCorruption(err)
	}
}

// Infof implements pebble.Logger. Pebble's own story is for debugging.
func (e *events) Infof(format string, args ...any) { e.log.Debug(fmt.Sprintf(format, args...)) }

// Errorf implements pebble.Logger.
func (e *events) Errorf(format string, args ...any) { e.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf implements pebble.Logger. Pebble calls it when an fsync of the log or
// of the table list failed, and relies on it never to return: whatever the
// caller was about to acknowledge must not be. The goroutine stops here, and
// OnFatal ends the process.
func (e *events) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok && errors.Is(cause, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
	}
	e.store.fatal(err)
	select {}
}

// asKnown makes ENOSPC matchable as ErrDiskFull and damage as ErrCorrupt.
func asKnown(err error) error {
	if pebble.IsCorruptionError(err) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return asDiskFull(err)
}

// asDiskFull makes ENOSPC matchable as ErrDiskFull.
func asDiskFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) && !errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
