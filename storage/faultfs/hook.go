package faultfs

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Hook is a file system that calls before ahead of everything that changes
// something or makes it durable. An error of it is the operation's. It may be
// called by many goroutines.
func Hook(fs vfs.FS, before func(path string) error) vfs.FS { return hookFS{fs, before} }

type hookFS struct {
	vfs.FS
	before func(path string) error
}

func (h hookFS) Unwrap() vfs.FS { return h.FS }

func (h hookFS) file(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if err := h.before(name); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	return hookFile{f, name, h.before}, nil
}

func (h hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.file(name, func() (vfs.File, error) { return h.FS.Create(name, c) })
}

func (h hookFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return h.file(name, func() (vfs.File, error) { return h.FS.OpenReadWrite(name, c, o...) })
}

func (h hookFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.file(to, func() (vfs.File, error) { return h.FS.ReuseForWrite(from, to, c) })
}

func (h hookFS) OpenDir(name string) (vfs.File, error) {
	return h.file(name, func() (vfs.File, error) { return h.FS.OpenDir(name) })
}

func (h hookFS) Remove(name string) error {
	if err := h.before(name); err != nil {
		return err
	}
	return h.FS.Remove(name)
}

func (h hookFS) Rename(from, to string) error {
	if err := h.before(to); err != nil {
		return err
	}
	return h.FS.Rename(from, to)
}

func (h hookFS) Link(from, to string) error {
	if err := h.before(to); err != nil {
		return err
	}
	return h.FS.Link(from, to)
}

func (h hookFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := h.before(dir); err != nil {
		return err
	}
	return h.FS.MkdirAll(dir, perm)
}

type hookFile struct {
	vfs.File
	name   string
	before func(path string) error
}

func (h hookFile) Write(b []byte) (int, error) {
	if err := h.before(h.name); err != nil {
		return 0, err
	}
	return h.File.Write(b)
}

func (h hookFile) WriteAt(b []byte, at int64) (int, error) {
	if err := h.before(h.name); err != nil {
		return 0, err
	}
	return h.File.WriteAt(b, at)
}

func (h hookFile) Sync() error {
	if err := h.before(h.name); err != nil {
		return err
	}
	return h.File.Sync()
}

func (h hookFile) SyncData() error {
	if err := h.before(h.name); err != nil {
		return err
	}
	return h.File.SyncData()
}

func (h hookFile) SyncTo(n int64) (bool, error) {
	if err := h.before(h.name); err != nil {
		return false, err
	}
	return h.File.SyncTo(n)
}
