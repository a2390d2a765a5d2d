package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Small files stand beside Pebble's, for what must not be lost together with
// them. docs/format/files.md draws them.

const fileMagic = "RNLF\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteFile replaces a small file, whole or not at all, and returns when that
// is on disk.
func (s *Store) WriteFile(name string, data []byte) error {
	if s.cfg.ReadOnly {
		return ErrReadOnly
	}
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.writeFile(name, data); err != nil {
		err = fmt.Errorf("write %s: %w", name, asDiskFull(err))
		s.fatal(err) // an fsync may have failed; what is on disk now is unknown
		return err
	}
	return nil
}

func (s *Store) writeFile(name string, data []byte) error {
	fs, path := s.cfg.FS, s.cfg.FS.PathJoin(s.cfg.Dir, name)
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	sealed := append([]byte(fileMagic), data...)
	sealed = binary.LittleEndian.AppendUint32(sealed, crc32.Checksum(sealed, castagnoli))
	_, err = f.Write(sealed)
	if err == nil && !noSync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(fs, s.cfg.Dir)
}

// ReadFile reads what WriteFile wrote: ErrNotFound if there is nothing,
// ErrCorrupt if it is not what was written.
func (s *Store) ReadFile(name string) ([]byte, error) {
	b, err := readAll(s.cfg.FS, s.cfg.FS.PathJoin(s.cfg.Dir, name))
	if err != nil {
		return nil, err
	}
	end := len(b) - 4
	if end < len(fileMagic) || string(b[:len(fileMagic)]) != fileMagic ||
		crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, &CorruptionError{Path: name, Cause: errors.New("wrong checksum or version")}
	}
	return slices.Clone(b[len(fileMagic):end]), nil
}

func readAll(fs FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if isNotExist(err) {
		return nil, fmt.Errorf("%w: no file %s", ErrNotFound, path)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}
