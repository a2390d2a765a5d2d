package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MaxMarkBytes is the largest value of a Mark.
const MaxMarkBytes = 464

const (
	markMagic    = "RNLM\x01"
	markSlot     = 512 // one sector each, so that writing one never tears the other
	markSlotBase = 4096
	markHeader   = len(markMagic) + 8 + 2
)

// Mark is a small value that is overwritten often: a file with two slots, of
// which the older is overwritten. A Set without sync costs one write to the
// page cache; it survives kill -9, and a power cut leaves this value or an
// earlier one. It belongs to one goroutine, but for Sync.
type Mark struct {
	s    *Store
	f    vfs.File
	name string
	seq  uint64
}

// OpenMark opens the mark of this name, making it if there is none (unless the
// store is for reading only), and returns its newest intact value; nil if it was never set. A slot that is
// damaged is passed over for the other one, as after a torn write.
func (s *Store) OpenMark(name string) (*Mark, []byte, error) {
	path := s.disk.PathJoin(s.cfg.Dir, name)
	value, seq, err := readMark(s.disk, path)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	if s.cfg.ReadOnly {
		return &Mark{s: s, name: name, seq: seq}, value, nil
	}
	f, err := s.disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, fmt.Errorf("open mark %s: %w", name, err)
	}
	if err := syncDir(s.disk, s.cfg.Dir); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return &Mark{s: s, f: f, name: name, seq: seq}, value, nil
}

func readMark(fs FS, path string) (value []byte, seq uint64, err error) {
	b, err := readAll(fs, path)
	if err != nil {
		return nil, 0, err
	}
	for _, at := range []int{markSlotBase, markSlotBase + markSlot} {
		if v, n, ok := parseSlot(b, at); ok && n > seq {
			value, seq = v, n
		}
	}
	// A power cut may leave zeros in the place of a first value.
	if seq == 0 && len(bytes.Trim(b, "\x00")) > 0 {
		return nil, 0, &CorruptionError{Path: path, Cause: errors.New("neither slot of the mark is intact")}
	}
	return value, seq, nil
}

func parseSlot(b []byte, at int) (value []byte, seq uint64, ok bool) {
	if len(b) < at+markSlot {
		return nil, 0, false
	}
	b = b[at : at+markSlot]
	n := int(binary.LittleEndian.Uint16(b[len(markMagic)+8:]))
	if string(b[:len(markMagic)]) != markMagic || n > MaxMarkBytes {
		return nil, 0, false
	}
	end := markHeader + n
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, 0, false
	}
	return slices.Clone(b[markHeader:end]), binary.LittleEndian.Uint64(b[len(markMagic):]), true
}

// Set overwrites the mark; with sync it returns when that is on disk.
func (m *Mark) Set(value []byte, sync bool) error {
	if m.f == nil {
		return ErrReadOnly
	}
	if len(value) > MaxMarkBytes {
		return fmt.Errorf("mark %s of %d bytes is too large", m.name, len(value))
	}
	if err := m.s.Err(); err != nil {
		return err
	}
	if err := m.write(value, sync); err != nil {
		err = fmt.Errorf("set mark %s: %w", m.name, asDiskFull(err))
		m.s.fatal(err)
		return err
	}
	return nil
}

func (m *Mark) write(value []byte, sync bool) error {
	m.seq++
	slot := make([]byte, markSlot)
	b := append(slot[:0], markMagic...)
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	_ = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	at := int64(markSlotBase) + int64(m.seq%2)*markSlot
	if _, err := m.f.WriteAt(slot, at); err != nil {
		return err
	}
	if sync {
		return m.sync()
	}
	return nil
}

// Sync returns when the value is on disk; it may run beside a Set, whose value
// may then be on disk or not.
func (m *Mark) Sync() error {
	if m.f == nil {
		return ErrReadOnly
	}
	if err := m.s.Err(); err != nil {
		return err
	}
	if err := m.sync(); err != nil {
		err = fmt.Errorf("sync mark %s: %w", m.name, asDiskFull(err))
		m.s.fatal(err)
		return err
	}
	return nil
}

func (m *Mark) sync() error {
	if noSync {
		return nil
	}
	return m.f.SyncData()
}

// Close keeps the value.
func (m *Mark) Close() error {
	if m.f == nil {
		return nil
	}
	return m.f.Close()
}
