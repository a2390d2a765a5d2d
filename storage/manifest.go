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
	return s.walkManifest(fs.PathJoin(s.cfg.Dir, current), size)
}

// walkManifest reads every record of the list and wants those before sealed to
// be intact.
func (s *Store) walkManifest(path string, sealed int64) error {
	f, err := s.cfg.FS.Open(path)
	if err != nil {
		return &CorruptionError{Path: path, Cause: err}
	}
	r := record.NewReader(f, 0)
	good := int64(0)
	for {
		var rec io.Reader
		if rec, err = r.Next(); err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		if err != nil {
			break
		}
		good = r.Offset()
	}
	if closeErr := f.Close(); closeErr != nil {
		return closeErr
	}
	if good < sealed {
		return &CorruptionError{Path: path, Cause: fmt.Errorf("the list of tables is intact up to byte %d of %d: %w", good, sealed, err)}
	}
	return nil
}

// startSeal begins to seal, once Pebble is open.
func (s *Store) startSeal() error {
	mark, _, err := s.OpenMark(sealName)
	if err != nil {
		return err
	}
	s.seal = &manifestSeal{mark: mark}
	return s.setSeal(true)
}

// sealManifest notes the list's length after an edit. Losing a seal weakens
// the next check, so a failure is told, and writes go on.
func (s *Store) sealManifest() {
	if s.seal == nil || s.closed.Load() {
		return
	}
	if err := s.setSeal(false); err != nil {
		s.cfg.Logger.Error("could not seal the list of tables", "error", err)
	}
}

func (s *Store) setSeal(sync bool) error {
	s.seal.mu.Lock()
	defer s.seal.mu.Unlock()
	desc, err := pebble.Peek(s.cfg.Dir, s.cfg.FS)
	if err != nil {
		return err
	}
	info, err := s.cfg.FS.Stat(s.cfg.FS.PathJoin(s.cfg.Dir, s.cfg.FS.PathBase(desc.ManifestFilename)))
	if err != nil {
		return err
	}
	return s.seal.mark.write(encodeSeal(s.cfg.FS.PathBase(desc.ManifestFilename), info.Size()), sync)
}

// stopSeal runs after Pebble has closed, when the list is final.
func (s *Store) stopSeal() error {
	if s.seal == nil {
		return nil
	}
	return errors.Join(s.setSeal(true), s.seal.mark.Close())
}
