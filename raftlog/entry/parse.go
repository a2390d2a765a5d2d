package entry

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// Parsed is an encoded entry taken apart. Command and rows alias the buffer.
type Parsed struct {
	Entry
	// Sums holds the CRC32C that each row's value must have.
	Sums []uint32
}

// Parse takes an encoded entry apart and checks everything but the values of
// its rows, which Verify checks. Nothing is copied.
func Parse(b []byte) (Parsed, error) {
	var p Parsed
	if len(b) < trailer {
		return p, fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	end := b[len(b)-trailer:]
	if v := binary.LittleEndian.Uint32(end[16:]); v != version {
		return p, fmt.Errorf("%w: %d", ErrVersion, v)
	}
	p.Term = binary.LittleEndian.Uint64(end)
	command, rows := uint64(binary.LittleEndian.Uint32(end[8:])), uint64(binary.LittleEndian.Uint32(end[12:]))
	rest := b[:len(b)-trailer]
	if uint64(len(rest)) < rows*tableRow+command {
		return p, fmt.Errorf("%w: %d rows and a command of %d bytes in %d bytes", ErrMalformed, rows, command, len(b))
	}
	table := rest[len(rest)-int(rows)*tableRow:]
	rest = rest[:len(rest)-len(table)]
	body := rest[:len(rest)-int(command)]
	p.Command = slices.Clip(rest[len(body):])
	keys, err := p.cut(body, table)
	if err != nil {
		return Parsed{}, err
	}
	sum := crc32.Update(keys, castagnoli, b[len(body):len(b)-4])
	if sum != binary.LittleEndian.Uint32(end[20:]) {
		return Parsed{}, ErrChecksum
	}
	return p, nil
}

// cut slices the rows out of the body and returns the CRC32C of their keys.
func (p *Parsed) cut(body, table []byte) (keys uint32, err error) {
	n := len(table) / tableRow
	if n == 0 {
		if len(body) != 0 {
			return 0, fmt.Errorf("%w: %d bytes belong to nothing", ErrMalformed, len(body))
		}
		return 0, nil
	}
	p.Rows, p.Sums = make([]Row, n), make([]uint32, n)
	for i := range n {
		t := table[i*tableRow:]
		kl, vl := int(binary.LittleEndian.Uint16(t)), uint64(binary.LittleEndian.Uint32(t[2:]))
		if uint64(len(body)) < uint64(kl)+vl {
			return 0, fmt.Errorf("%w: row %d is longer than the entry", ErrMalformed, i)
		}
		p.Rows[i] = Row{Key: slices.Clip(body[:kl]), Value: slices.Clip(body[kl : kl+int(vl)])}
		p.Sums[i] = binary.LittleEndian.Uint32(t[6:])
		keys = crc32.Update(keys, castagnoli, p.Rows[i].Key)
		body = body[kl+int(vl):]
	}
	if len(body) != 0 {
		return 0, fmt.Errorf("%w: %d bytes belong to no row", ErrMalformed, len(body))
	}
	return keys, nil
}

// Verify checks the values of the rows.
func (p Parsed) Verify() error {
	for i, r := range p.Rows {
		if Checksum(r.Value) != p.Sums[i] {
			return fmt.Errorf("%w: value of row %d, key %x", ErrChecksum, i, r.Key)
		}
	}
	return nil
}
