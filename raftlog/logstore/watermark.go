package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A watermark says how far a log was known to reach on disk, in which term, and
// how often term and vote had been written, in a mark beside the store: a log
// that ends before it has lost its tail. It is written after every write that it
// vouches for and before that is told to anyone, unsynced, so that kill -9 keeps
// it; it is synced when nothing was written for a moment, now and then under
// load, and at a clean stop, so that a power cut leaves an earlier one at most.
// It is lowered, synced, before the tail of the log is cut.
type watermark struct{ index, term, writes uint64 }

const (
	markVersion = 1
	markBytes   = 32

	// idle is how long nothing must be written before the watermark is synced;
	// under load it is synced every busy.
	idle = 50 * time.Millisecond
	busy = 5 * time.Second
)

// MarkName is the name of the mark that holds a group's watermark.
func MarkName(group uint32) string { return fmt.Sprintf("group-%d.watermark", group) }

// encode: version (4), group (4), index (8), term (8), writes (8).
func (w watermark) encode(group uint32) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, markBytes), markVersion)
	b = binary.LittleEndian.AppendUint32(b, group)
	b = binary.LittleEndian.AppendUint64(b, w.index)
	b = binary.LittleEndian.AppendUint64(b, w.term)
	return binary.LittleEndian.AppendUint64(b, w.writes)
}

func decodeMark(b []byte, group uint32) (watermark, error) {
	if len(b) != markBytes || binary.LittleEndian.Uint32(b) != markVersion || binary.LittleEndian.Uint32(b[4:]) != group {
		return watermark{}, damaged("%s is no watermark of group %d", MarkName(group), group)
	}
	return watermark{
		index: binary.LittleEndian.Uint64(b[8:]), term: binary.LittleEndian.Uint64(b[16:]), writes: binary.LittleEndian.Uint64(b[24:]),
	}, nil
}

// openMark opens the mark; marked tells whether it holds a watermark.
func (l *Log) openMark() (marked bool, err error) {
	mark, value, err := l.cfg.Store.OpenMark(MarkName(l.cfg.Group))
	if err != nil {
		return false, err
	}
	l.mark = mark
	if value == nil {
		return false, nil
	}
	l.at, err = decodeMark(value, l.cfg.Group)
	return true, err
}

// vouch sets the watermark. l.writeMu is held, or nobody else has the log yet.
func (l *Log) vouch(w watermark, sync bool) error {
	if err := l.mark.Set(w.encode(l.cfg.Group), sync); err != nil {
		return err
	}
	l.mu.Lock()
	l.at = w
	l.mu.Unlock()
	if !sync {
		select {
		case l.dirty <- struct{}{}:
		default:
		}
	}
	return nil
}

// keepMark syncs the watermark while the log is open. A failure is told by the
// store.
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
		if err := l.mark.Sync(); err != nil {
			return
		}
	}
}

// settle waits until nothing was written for a moment, or long enough.
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

// closeMark syncs the watermark, unless the store has failed.
func (l *Log) closeMark() error {
	if l.cfg.Store.Err() != nil {
		return l.mark.Close()
	}
	return errors.Join(l.mark.Sync(), l.mark.Close())
}
