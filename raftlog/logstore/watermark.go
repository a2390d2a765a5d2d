package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/runnel-io/runnel/storage"
)

// A watermark says how far a log was known to reach on disk, and in which term,
// in a small synced file beside the store: a log that ends before it has lost
// its tail. It is raised when the log has been idle for a moment, and now and
// then under load, and lowered before the tail is cut.
type watermark struct{ index, term uint64 }

const (
	markVersion = 1
	markBytes   = 24

	// idle is how long nothing must be appended before the watermark is raised;
	// under load it is raised every busy.
	idle = 50 * time.Millisecond
	busy = 5 * time.Second
)

// MarkName is the name of the file that holds a group's watermark.
func MarkName(group uint32) string { return fmt.Sprintf("group-%d.watermark", group) }

// encode: version (4), group (4), index (8), term (8).
func (w watermark) encode(group uint32) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, markBytes), markVersion)
	b = binary.LittleEndian.AppendUint32(b, group)
	b = binary.LittleEndian.AppendUint64(b, w.index)
	return binary.LittleEndian.AppendUint64(b, w.term)
}

// readMark reads a group's watermark; ok is false if there is none.
func readMark(s *storage.Store, group uint32) (w watermark, ok bool, err error) {
	b, err := s.ReadFile(MarkName(group))
	if errors.Is(err, storage.ErrNotFound) {
		return w, false, nil
	}
	if err != nil {
		return w, false, fmt.Errorf("%s: %w", MarkName(group), err)
	}
	if len(b) != markBytes || binary.LittleEndian.Uint32(b) != markVersion || binary.LittleEndian.Uint32(b[4:]) != group {
		return w, false, damaged("%s is no watermark of group %d", MarkName(group), group)
	}
	return watermark{index: binary.LittleEndian.Uint64(b[8:]), term: binary.LittleEndian.Uint64(b[16:])}, true, nil
}

// setMark writes the watermark. l.markMu is held.
func (l *Log) setMark(w watermark) error {
	if err := l.cfg.Store.WriteFile(MarkName(l.cfg.Group), w.encode(l.cfg.Group)); err != nil {
		return fmt.Errorf("write %s: %w", MarkName(l.cfg.Group), err)
	}
	l.mark = w
	return nil
}

// raiseMark lifts the watermark to the end of the log. A failure leaves it
// where it is, which is safe.
func (l *Log) raiseMark() error {
	l.markMu.Lock()
	defer l.markMu.Unlock()
	_, last := l.bounds()
	w := watermark{index: max(l.mark.index, last), term: max(l.mark.term, l.term.Load())}
	if w == l.mark || l.failure() != nil {
		return nil
	}
	return l.setMark(w)
}

// appended has the watermark raised soon.
func (l *Log) appended() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// keepMark raises the watermark while the log is open.
func (l *Log) keepMark() {
	defer close(l.kept)
	for {
		select {
		case <-l.stop:
			return
		case <-l.dirty:
		}
		if !l.settle() {
			return
		}
		if err := l.raiseMark(); err != nil {
			l.cfg.Logger.Warn("the watermark stays behind", "error", err)
		}
	}
}

// settle waits until nothing was appended for a moment, or long enough.
func (l *Log) settle() bool {
	quiet := time.NewTimer(idle)
	defer quiet.Stop()
	late := time.NewTimer(busy)
	defer late.Stop()
	for {
		select {
		case <-l.stop:
			return false
		case <-l.dirty:
			quiet.Reset(idle)
		case <-quiet.C:
			return true
		case <-late.C:
			return true
		}
	}
}
