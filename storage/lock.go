package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// isLocked tells a lock that another process holds from a file that this one
// may not open.
func isLocked(err error) bool {
	var notOpened *fs.PathError
	return !errors.As(err, &notOpened) && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES))
}

// lockDir takes the lock that keeps a second process out. It is the kernel's
// and ends with the process.
func lockDir(fs FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, lockFS{fs})
	if err == nil {
		return lock, nil
	}
	if isLocked(err) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// lockFS takes the lock of a file system on a disk only after this process has
// been asked whether it has the directory open itself: the kernel tells
// processes apart only, and closing any handle of a lock file frees the lock.
type lockFS struct{ FS }

func (f lockFS) Lock(name string) (io.Closer, error) {
	if !onDisk(f.FS) {
		return f.FS.Lock(name)
	}
	return own.take(name, f.FS.Lock)
}

// readOnlyFS changes nothing below it. Its lock is shared with readers in other
// processes.
type readOnlyFS struct{ FS }

func (f readOnlyFS) Lock(name string) (io.Closer, error) {
	if !onDisk(f.FS) {
		return f.FS.Lock(name)
	}
	return lockShared(name)
}

func (f readOnlyFS) Unwrap() FS { return f.FS }

func (readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, ErrReadOnly }
func (readOnlyFS) Link(string, string) error                              { return ErrReadOnly }
func (readOnlyFS) Remove(string) error                                    { return ErrReadOnly }
func (readOnlyFS) RemoveAll(string) error                                 { return ErrReadOnly }
func (readOnlyFS) Rename(string, string) error                            { return ErrReadOnly }
func (readOnlyFS) MkdirAll(string, os.FileMode) error                     { return ErrReadOnly }

func (readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, ErrReadOnly
}

func (readOnlyFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, ErrReadOnly
}

// onDisk tells whether a file system is the machine's at its bottom.
func onDisk(f FS) bool {
	for {
		below := f.Unwrap()
		if below == nil {
			return f == vfs.Default
		}
		f = below
	}
}

// lockShared takes a lock that other readers may share, without touching the
// file. Where there is no file, no node has ever run.
func lockShared(name string) (io.Closer, error) {
	f, err := os.Open(name)
	if isNotExist(err) {
		return io.NopCloser(nil), nil // nothing to free
	}
	if err != nil {
		return nil, err
	}
	all := syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &all); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// own are the locks that this process holds.
var own = ownLocks{held: map[string]bool{}}

type ownLocks struct {
	mu   sync.Mutex
	held map[string]bool
}

func (o *ownLocks) take(name string, lock func(string) (io.Closer, error)) (io.Closer, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held[path] {
		return nil, syscall.EAGAIN
	}
	l, err := lock(name)
	if err != nil {
		return nil, err
	}
	o.held[path] = true
	return ownLock{o, path, l}, nil
}

type ownLock struct {
	of   *ownLocks
	path string
	lock io.Closer
}

func (l ownLock) Close() error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	delete(l.of.held, l.path)
	return l.lock.Close()
}
