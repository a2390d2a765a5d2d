package logstore

import (
	"encoding/binary"
	"fmt"
	"runtime"
)

const (
	// keyTerm is under which the library keeps the current term.
	keyTerm = "CurrentTerm"
	// keyWrites is where the log counts how often the library has written.
	keyWrites = "Writes"
)

// Set stores a value and returns when it is on disk.
func (l *Log) Set(name, value []byte) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	err := l.failure()
	if err == nil {
		err = l.setStable(name, value)
	}
	if err != nil && string(name) == keyTerm && l.live.Load() {
		runtime.Goexit() // the library would panic; OnFatal has been told
	}
	return err
}

func (l *Log) setStable(name, value []byte) error {
	defer l.write()()
	if err := l.back.set(name, value, l.writes+1); err != nil {
		return l.fail(err)
	}
	l.writes++
	if string(name) == keyTerm && len(value) == 8 {
		l.term.Store(binary.BigEndian.Uint64(value))
	}
	return l.raise()
}

// Get reads a value; the error's text is `not found` if there is none.
func (l *Log) Get(name []byte) ([]byte, error) { return l.back.get(name) }

// SetUint64 is Set of 8 bytes, big-endian.
func (l *Log) SetUint64(name []byte, value uint64) error {
	return l.Set(name, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 is Get of what SetUint64 stored.
func (l *Log) GetUint64(name []byte) (uint64, error) {
	b, err := l.Get(name)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, damaged("%s has %d bytes", name, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// Term is the current term.
func (l *Log) Term() uint64 { return l.term.Load() }

// Fresh tells whether the group has never had an entry, a vote or a term but
// the first.
func (l *Log) Fresh() (bool, error) {
	if _, last := l.bounds(); last != 0 || l.term.Load() > 1 {
		return false, nil
	}
	for _, name := range []string{"LastVoteTerm", "LastVoteCand"} {
		_, err := l.Get([]byte(name))
		if err == nil {
			return false, nil
		}
		if err.Error() != errNotFound.Error() {
			return false, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return true, nil
}
