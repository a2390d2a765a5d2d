package logstore

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// Term and vote in the file are one value: a stable row that holds, by name,
// length of the name (1), name, length of the value (2), value.

func (f *fileLog) writeStable() error {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(f.stable)) {
		b = append(append(b, byte(len(name))), name...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f.stable[name])))
		b = append(b, f.stable[name]...)
	}
	return f.guard(func() error { return f.db.Set(stableName, sealStable(stableName, b)) })
}

func (f *fileLog) loadStable() error {
	var row []byte
	err := f.guard(func() (err error) {
		row, err = f.db.Get(stableName)
		return err
	})
	if err != nil {
		return damaged("term and vote: %w", err)
	}
	b, err := openStable(stableName, row)
	if err != nil {
		return damaged("term and vote: %w", err)
	}
	f.stable = map[string][]byte{}
	for len(b) > 0 {
		name, rest, ok := cutStable(b)
		if !ok {
			return damaged("term and vote: %w", errors.New("cut short"))
		}
		value := rest[2 : 2+binary.LittleEndian.Uint16(rest)]
		f.stable[name] = value
		b = rest[2+len(value):]
	}
	return nil
}

func cutStable(b []byte) (name string, rest []byte, ok bool) {
	n := int(b[0])
	if len(b) < 1+n+2 {
		return "", nil, false
	}
	name, rest = string(b[1:1+n]), b[1+n:]
	return name, rest, len(rest) >= 2+int(binary.LittleEndian.Uint16(rest))
}

func (f *fileLog) set(name, value []byte, writes uint64) error {
	if len(name) > 255 || len(value) > 1<<16-1 {
		return errors.New("name or value is too long")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stable[string(name)] = slices.Clone(value)
	f.stable[keyWrites] = binary.BigEndian.AppendUint64(nil, writes)
	return f.writeStable()
}

func (f *fileLog) get(name []byte) ([]byte, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	v, ok := f.stable[string(name)]
	if !ok {
		return nil, errNotFound
	}
	return slices.Clone(v), nil
}
