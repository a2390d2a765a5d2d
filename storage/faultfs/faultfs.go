// Package faultfs does to files what disks do to them, for tests: syncs that
// do not sync, bits that flip, ends that are lost. Nothing but tests imports it.
package faultfs

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DropSyncs is a file system that answers every sync without doing it.
func DropSyncs(fs vfs.FS) vfs.FS { return dropFS{fs} }

type dropFS struct{ vfs.FS }

func drop(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return dropFile{f}, nil
}

func (d dropFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return drop(d.FS.Create(name, c))
}

func (d dropFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return drop(d.FS.OpenReadWrite(name, c, o...))
}

func (d dropFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return drop(d.FS.ReuseForWrite(from, to, c))
}

func (d dropFS) OpenDir(name string) (vfs.File, error) { return drop(d.FS.OpenDir(name)) }

func (d dropFS) Unwrap() vfs.FS { return d.FS }

type dropFile struct{ vfs.File }

func (dropFile) Sync() error                { return nil }
func (dropFile) SyncData() error            { return nil }
func (dropFile) SyncTo(int64) (bool, error) { return true, nil }

// Flip changes bits of the byte at an offset of a file.
func Flip(fs vfs.FS, path string, at int64, bits byte) error {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if n, err := f.ReadAt(b, at); n != 1 {
		return errors.Join(fmt.Errorf("byte %d of %s: %w", at, path, err), f.Close())
	}
	b[0] ^= bits
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Sync(), f.Close())
}

// Cut shortens a file.
func Cut(fs vfs.FS, path string, size int64) error {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if f, err = fs.Create(path, vfs.WriteCategoryUnspecified); err != nil {
		return err
	}
	_, err = f.Write(b[:n])
	return errors.Join(err, f.Sync(), f.Close())
}

// Size is the length of a file; 0 of a directory.
func Size(fs vfs.FS, path string) (int64, error) {
	info, err := fs.Stat(path)
	if err != nil || info.IsDir() {
		return 0, err
	}
	return info.Size(), nil
}
