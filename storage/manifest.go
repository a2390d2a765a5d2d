package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
)

// Pebble reads its list of tables (MANIFEST) up to the first record that is
// not intact and takes that for the end: a flipped bit silently forgets every
// later table. So the store remembers in a mark how long the list was known to
// be, and Open refuses a list that is not intact up to there. Beyond it, only
// the edit that a crash interrupted can lie.

const sealName = "manifest.seal"

type manifestSeal struct {
	mu   sync.Mutex
	mark *Mark
}

func encodeSeal(name string, size int64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(size)), name...)
}

func decodeSeal(b []byte) (name string, size int64, ok bool) {
	if len(b) < 8 {
		return "", 0, false
	}
	return string(b[8:]), int64(binary.LittleEndian.Uint64(b)), true
}

// checkManifest runs before Pebble opens.
func (s *Store) checkManifest(desc *pebble.DBDesc) error {
	fs := s.cfg.FS
	value, _, err := readMark(fs, fs.PathJoin(s.cfg.Dir, sealName))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	name, size, ok := decodeSeal(value)
	if !ok {
		return nil
	}
	if !desc.Exists {
		return &CorruptionError{Path: s.cfg.Dir, Cause: fmt.Errorf("the list of tables is gone, it was %s", name)}
	}
	current := fs.PathBase(desc.ManifestFilename)
	if current != name {
		size = 0 // a crash came between the list's replacement and its seal
	}
	path := fs.PathJoin(s.cfg.Dir, current)
	good, end, err := walkManifest(fs, path)
	if err != nil {
		return &CorruptionError{Path: path, Cause: err}
	}
	if good < size {
		return &CorruptionError{Path: path, Cause: fmt.Errorf("the list of tables is intact up to byte %d of %d: %w", good, size, end)}
	}
	return nil
}

// walkManifest reads the list up to the first record that is not intact; end is
// what came in its place.
func walkManifest(fs FS, path string) (good int64, end, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, nil, err
	}
	r := record.NewReader(f, 0)
	for {
		rec, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		if err != nil {
			return good, err, f.Close()
		}
		good = r.Offset()
	}
}

// startSeal begins to seal, once Pebble is open.
func (s *Store) startSeal() error {
	mark, _, err := s.OpenMark(sealName)
	if err != nil {
		return err
	}
	s.seal.Store(&manifestSeal{mark: mark})
	return s.sealWhole()
}

// sealManifest notes the list's length after an edit that has not failed. It is
// called while Pebble can not begin another one, so that the list is on disk up
// to that length. Losing a seal weakens the next check, so a failure is told,
// and writes go on.
func (s *Store) sealManifest(failed error) {
	if failed != nil || s.seal.Load() == nil || s.closed.Load() {
		return
	}
	if err := s.setSeal(); err != nil {
		s.cfg.Logger.Error("could not seal the list of tables", "error", err)
	}
}

func (s *Store) setSeal() error {
	seal := s.seal.Load()
	seal.mu.Lock()
	defer seal.mu.Unlock()
	name, path, err := s.manifest()
	if err != nil {
		return err
	}
	info, err := s.cfg.FS.Stat(path)
	if err != nil {
		return err
	}
	return seal.mark.write(encodeSeal(name, info.Size()), false)
}

// sealWhole notes how far the list is intact, and returns when list and note
// are on disk. An edit may be under way.
func (s *Store) sealWhole() error {
	seal := s.seal.Load()
	seal.mu.Lock()
	defer seal.mu.Unlock()
	name, path, err := s.manifest()
	if err != nil {
		return err
	}
	good, _, err := walkManifest(s.cfg.FS, path)
	if err != nil {
		return err
	}
	if err := syncFile(s.cfg.FS, path); err != nil {
		return err
	}
	return seal.mark.write(encodeSeal(name, good), true)
}

// manifest finds the list that is in force.
func (s *Store) manifest() (name, path string, err error) {
	desc, err := pebble.Peek(s.cfg.Dir, s.cfg.FS)
	if err != nil {
		return "", "", err
	}
	name = s.cfg.FS.PathBase(desc.ManifestFilename)
	return name, s.cfg.FS.PathJoin(s.cfg.Dir, name), nil
}

func syncFile(fs FS, path string) error {
	if noSync {
		return nil
	}
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// stopSeal runs after Pebble has closed, when the list is final.
func (s *Store) stopSeal() error {
	if s.seal.Load() == nil {
		return nil
	}
	return errors.Join(s.sealWhole(), s.closeSeal())
}

func (s *Store) closeSeal() error {
	if seal := s.seal.Load(); seal != nil {
		return seal.mark.Close()
	}
	return nil
}
