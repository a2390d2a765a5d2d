package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
)

// A header row, version 1, is: version (1), type of the entry (1), form (1),
// zero (1), index (8), term (8), time of appending (8), length of the
// extensions (4), extensions, body, CRC32C of the row's key and all that (4).
const (
	headerVersion = 1
	headerFixed   = 32
	headerSum     = 4

	// formRaw: the body is the entry's data as it is.
	formRaw = 0
	// formRows: the body is the proposer's term (8), length of the command (4),
	// number of rows (4), per row key length (2), value length (4) and CRC32C of
	// the value (4), then the keys, then the command. The values are rows.
	formRows    = 1
	rowsFixed   = 16
	rowsPerItem = 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errHeader = errors.New("malformed header row")

// header is a log entry without the values of its rows.
type header struct {
	log      raft.Log // Data only in the raw form
	rows     bool     // the body is in the form of rows
	proposed uint64
	command  []byte
	items    []item
}

// item is a row of an entry: its key, and what its value must be.
type item struct {
	key    []byte
	length uint32
	sum    uint32
}

// split tells how an entry is stored: as rows if it is an entry of ours,
// whole otherwise. values are the rows' values, in the order of header.items.
func split(l *raft.Log) (h header, values [][]byte) {
	h.log = *l
	if l.Type != raft.LogCommand {
		return h, nil
	}
	p, err := entry.Parse(l.Data)
	if err != nil {
		return h, nil // what it is, is told by who applies it
	}
	h.log.Data = nil
	h.rows, h.proposed, h.command = true, p.Term, p.Command
	if p.Term != 0 && p.Term != l.Term {
		// Another leader may have given the same keys: they are not ours to write.
		return h, nil
	}
	values = make([][]byte, len(p.Rows))
	h.items = make([]item, len(p.Rows))
	for i, r := range p.Rows {
		h.items[i] = item{key: r.Key, length: uint32(len(r.Value)), sum: p.Sums[i]}
		values[i] = r.Value
	}
	return h, values
}

// encode appends the header row for key to dst.
func (h *header) encode(dst, key []byte) []byte {
	begin := len(dst)
	form := byte(formRaw)
	if h.rows {
		form = formRows
	}
	dst = append(dst, headerVersion, byte(h.log.Type), form, 0)
	dst = binary.LittleEndian.AppendUint64(dst, h.log.Index)
	dst = binary.LittleEndian.AppendUint64(dst, h.log.Term)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(unixNano(h.log.AppendedAt)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.log.Extensions)))
	dst = append(dst, h.log.Extensions...)
	if h.rows {
		dst = h.encodeRows(dst)
	} else {
		dst = append(dst, h.log.Data...)
	}
	return binary.LittleEndian.AppendUint32(dst, seal(key, dst[begin:]))
}

func (h *header) encodeRows(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, h.proposed)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.command)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.items)))
	for _, it := range h.items {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(it.key)))
		dst = binary.LittleEndian.AppendUint32(dst, it.length)
		dst = binary.LittleEndian.AppendUint32(dst, it.sum)
	}
	for _, it := range h.items {
		dst = append(dst, it.key...)
	}
	return append(dst, h.command...)
}

// seal is the checksum of a row: its key is part of it, so that a row in the
// place of another is found.
func seal(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// decodeHeader reads a header row. What it returns aliases b.
func decodeHeader(key, b []byte) (header, error) {
	var h header
	if len(b) < headerFixed+headerSum {
		return h, fmt.Errorf("%w: %d bytes", errHeader, len(b))
	}
	body, sum := b[:len(b)-headerSum], binary.LittleEndian.Uint32(b[len(b)-headerSum:])
	if seal(key, body) != sum {
		return h, errors.New("header row fails its checksum")
	}
	if body[0] != headerVersion {
		return h, fmt.Errorf("header row of version %d", body[0])
	}
	h.log.Type = raft.LogType(body[1])
	h.log.Index = binary.LittleEndian.Uint64(body[4:])
	h.log.Term = binary.LittleEndian.Uint64(body[12:])
	h.log.AppendedAt = fromUnixNano(int64(binary.LittleEndian.Uint64(body[20:])))
	ext := uint64(binary.LittleEndian.Uint32(body[28:]))
	form, rest := body[2], body[headerFixed:]
	if uint64(len(rest)) < ext {
		return h, errHeader
	}
	if ext > 0 {
		h.log.Extensions = rest[:ext:ext]
	}
	rest = rest[ext:]
	switch form {
	case formRaw:
		if len(rest) > 0 {
			h.log.Data = rest
		}
		return h, nil
	case formRows:
		return h, h.decodeRows(rest)
	}
	return h, fmt.Errorf("header row of form %d", form)
}

func (h *header) decodeRows(b []byte) error {
	if len(b) < rowsFixed {
		return errHeader
	}
	h.rows = true
	h.proposed = binary.LittleEndian.Uint64(b)
	command := uint64(binary.LittleEndian.Uint32(b[8:]))
	rows := uint64(binary.LittleEndian.Uint32(b[12:]))
	b = b[rowsFixed:]
	if rows*rowsPerItem+command > uint64(len(b)) {
		return errHeader
	}
	table, b := b[:rows*rowsPerItem], b[rows*rowsPerItem:]
	h.items = make([]item, rows)
	for i := range h.items {
		t := table[i*rowsPerItem:]
		n := int(binary.LittleEndian.Uint16(t))
		if n > len(b) {
			return errHeader
		}
		h.items[i] = item{key: b[:n:n], length: binary.LittleEndian.Uint32(t[2:]), sum: binary.LittleEndian.Uint32(t[6:])}
		b = b[n:]
	}
	if uint64(len(b)) != command {
		return errHeader
	}
	h.command = b
	return nil
}

// size is how long the entry is when it is put together again.
func (h *header) size() int {
	n := len(h.command)
	for _, it := range h.items {
		n += len(it.key) + int(it.length)
	}
	return entry.EncodedSize(len(h.items), n)
}

// never stands for a time that was not set.
const never = math.MinInt64

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixNano()
}

func fromUnixNano(ns int64) time.Time {
	if ns == never {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
