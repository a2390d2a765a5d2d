// Package entry is the form of a log entry: a command, and rows that the log
// stores at their final keys. It encodes and checks; it stores nothing and
// does not know what commands and rows mean. docs/format/log.md draws the form.
package entry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Row is a key and a value that appending the entry stores.
type Row struct{ Key, Value []byte }

// Entry is what is proposed. Term is the term in which the proposer leads, by
// whose right it gave the rows their keys: if the entry lands in another term
// its rows are not stored. 0 means that any term will do.
type Entry struct {
	Term    uint64
	Command []byte
	Rows    []Row
}

// Encoded is an entry in the form that is replicated. Its bytes must not be
// changed.
type Encoded struct{ data []byte }

// Bytes is the encoded form.
func (e Encoded) Bytes() []byte { return e.data }

// Len is the length of the encoded form in bytes.
func (e Encoded) Len() int { return len(e.data) }

// The form, version 1: rows, command, table of the rows, trailer.
const (
	version = 1
	// tableRow is key length (2), value length (4), CRC32C of the value (4).
	tableRow = 10
	// trailer is term (8), command length (4), number of rows (4), version (4),
	// CRC32C of keys, command, table and trailer (4).
	trailer = 24

	maxKey = math.MaxUint16
)

// Errors of Parse and Verify.
var (
	ErrMalformed = errors.New("malformed log entry")
	ErrVersion   = errors.New("log entry of an unknown version")
	ErrChecksum  = errors.New("log entry fails its checksum")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC32C of a row's value.
func Checksum(value []byte) uint32 { return crc32.Checksum(value, castagnoli) }

// Encode copies an entry into its encoded form. Keys are at most 65,535 bytes
// long, values and command less than 4 GiB.
func Encode(e Entry) Encoded {
	size := 0
	for _, r := range e.Rows {
		size += len(r.Key) + len(r.Value)
	}
	b := NewBuilder(size + len(e.Command) + overhead(len(e.Rows)))
	for _, r := range e.Rows {
		b.AppendRow(r.Key, func(dst []byte) []byte { return append(dst, r.Value...) })
	}
	return b.Finish(e.Term, e.Command)
}

func overhead(rows int) int { return rows*tableRow + trailer }

// Builder encodes an entry into one buffer, row by row, so that what makes the
// values can write them where they stay. It is used by one goroutine.
type Builder struct {
	buf   []byte
	table []byte
	keys  uint32 // CRC32C of the keys
}

// NewBuilder makes a builder whose buffer holds capacity bytes before it grows;
// EncodedSize tells how many an entry takes.
func NewBuilder(capacity int) *Builder {
	return &Builder{buf: make([]byte, 0, capacity)}
}

// EncodedSize is the length of an entry with so many rows whose keys, values
// and command together are so many bytes long.
func EncodedSize(rows, bytes int) int { return bytes + overhead(rows) }

// AppendRow adds a row. Its value is what encode appends to dst.
func (b *Builder) AppendRow(key []byte, encode func(dst []byte) []byte) {
	if len(key) > maxKey {
		panic(fmt.Sprintf("entry: key of %d bytes", len(key)))
	}
	b.keys = crc32.Update(b.keys, castagnoli, key)
	b.buf = append(b.buf, key...)
	begin := len(b.buf)
	b.buf = encode(b.buf)
	value := b.buf[begin:]
	b.table = binary.LittleEndian.AppendUint16(b.table, uint16(len(key)))
	b.table = binary.LittleEndian.AppendUint32(b.table, uint32(len(value)))
	b.table = binary.LittleEndian.AppendUint32(b.table, Checksum(value))
}

// Rows is the number of rows added.
func (b *Builder) Rows() int { return len(b.table) / tableRow }

// Len is what the entry would be long if it were finished now without a command.
func (b *Builder) Len() int { return len(b.buf) + len(b.table) + trailer }

// Finish ends the entry. The builder is empty afterwards and has no buffer: the
// entry keeps it.
func (b *Builder) Finish(term uint64, command []byte) Encoded {
	rows := b.Rows()
	out := append(b.buf, command...)
	out = append(out, b.table...)
	tail := len(out)
	out = binary.LittleEndian.AppendUint64(out, term)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(command)))
	out = binary.LittleEndian.AppendUint32(out, uint32(rows))
	out = binary.LittleEndian.AppendUint32(out, version)
	sum := crc32.Update(b.keys, castagnoli, out[tail-len(b.table)-len(command):])
	out = binary.LittleEndian.AppendUint32(out, sum)
	*b = Builder{}
	return Encoded{out}
}
