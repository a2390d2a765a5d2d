package storage

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFS stands below Pebble's log. Of what fails there, Pebble takes some to
// Fatalf and panics at the rest, when it changes to a new log. In a store that is
// open both become one: the store has failed, and whoever waits for the write
// waits until the process ends.
type logFS struct {
	FS
	s *Store
}

func (l logFS) Unwrap() FS { return l.FS }

func (l logFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.Create(name, c)
	return l.file(name, f, err)
}

func (l logFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.ReuseForWrite(from, to, c)
	return l.file(to, f, err)
}

func (l logFS) file(name string, f vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") {
		return f, err
	}
	if err := l.s.logFailed(err); err != nil {
		return nil, err
	}
	return logFile{f, l.s}, nil
}

type logFile struct {
	vfs.File
	s *Store
}

func (f logFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.s.logFailed(err)
}

func (f logFile) Sync() error     { return f.s.logFailed(f.File.Sync()) }
func (f logFile) SyncData() error { return f.s.logFailed(f.File.SyncData()) }
func (f logFile) Close() error    { return f.s.logFailed(f.File.Close()) }

func (f logFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.s.logFailed(err)
}

func (f logFile) Preallocate(offset, length int64) error {
	return f.s.logFailed(f.File.Preallocate(offset, length))
}

// logFailed does not return if an operation of the log has failed while the
// store is open. At the opening and at the close the error goes its way.
func (s *Store) logFailed(err error) error {
	if err == nil || !s.opened.Load() {
		return err
	}
	s.fatal(fmt.Errorf("write the store's log: %w", asDiskFull(err)))
	select {}
}
