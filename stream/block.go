package stream

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"slices"
	"unsafe"
)

// Record is what a producer put. An empty key means that it gave none.
type Record struct {
	PartitionKey string
	Data         []byte
}

// Size is what quotas and limits count: data plus UTF-8 key bytes.
func (r Record) Size() int { return len(r.PartitionKey) + len(r.Data) }

// BlockHeader is what a block says of all its records.
type BlockHeader struct {
	First     Position // of the first record; the others follow without a gap
	ArrivedMs int64    // epoch milliseconds, of all records
	Count     uint32
	Bytes     uint64 // sum of the records' sizes
}

// The layout is drawn in docs/format/block.md. All integers are little-endian.
const (
	blockVersion    = 1
	blockHeaderSize = 32
	blockEntrySize  = 6
	blockSumSize    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BlockSize is the exact size of the records' block.
func BlockSize(records []Record) int {
	n := blockHeaderSize + blockSumSize + blockEntrySize*len(records)
	for i := range records {
		n += records[i].Size()
	}
	return n
}

// What a record costs in a block beside its own size, and what a block costs
// beside its records.
const (
	BlockRecordOverhead = blockEntrySize
	BlockOverhead       = blockHeaderSize + blockSumSize
)

// AppendBlock appends the block of the records, at least one, to dst. It fills
// Count and Bytes itself. Keys of 64 KiB and data of 4 GiB cannot be encoded;
// callers have checked the limits of records, which are far below.
//
// It costs one copy and one CRC32C, and allocates only if dst has no room for
// BlockSize(records).
func AppendBlock(dst []byte, h BlockHeader, records []Record) []byte {
	dst = slices.Grow(dst, BlockSize(records))
	begin := len(dst)
	var bytes uint64
	for i := range records {
		bytes += uint64(records[i].Size())
	}
	dst = append(dst, blockVersion, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(records)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.First))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.ArrivedMs))
	dst = binary.LittleEndian.AppendUint64(dst, bytes)
	for i := range records {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(records[i].PartitionKey)))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(records[i].Data)))
	}
	for i := range records {
		dst = append(dst, records[i].PartitionKey...)
		dst = append(dst, records[i].Data...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
}

// Block is an encoded block whose structure and checksum have been checked.
// It keeps the bytes it was parsed from, which must not change while it or a
// record that it yielded, partition keys included, is in use. The zero Block
// has no records. Any number of goroutines may read one Block.
type Block struct {
	header BlockHeader
	b      []byte
}

// ParseBlock checks version, structure and checksum of b, which must be one
// whole block, and wraps it. It copies nothing, and allocates only the error,
// whose code is CodeCorrupt.
func ParseBlock(b []byte) (Block, error) {
	if len(b) < BlockOverhead {
		return Block{}, Errorf(CodeCorrupt, "block of %d bytes is cut short", len(b))
	}
	body := b[:len(b)-blockSumSize]
	if binary.LittleEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return Block{}, Errorf(CodeCorrupt, "block of %d bytes has a wrong checksum", len(b))
	}
	return parseBody(b, body)
}

func parseBody(b, body []byte) (Block, error) {
	if b[0] != blockVersion || b[1] != 0 || b[2] != 0 || b[3] != 0 {
		return Block{}, Errorf(CodeCorrupt, "block of version %d with flags %d is unknown", b[0], b[1])
	}
	h := BlockHeader{
		Count:     binary.LittleEndian.Uint32(b[4:]),
		First:     Position(binary.LittleEndian.Uint64(b[8:])),
		ArrivedMs: int64(binary.LittleEndian.Uint64(b[16:])),
		Bytes:     binary.LittleEndian.Uint64(b[24:]),
	}
	rest := uint64(len(body) - blockHeaderSize)
	table := uint64(h.Count) * blockEntrySize
	if h.Count == 0 || table > rest || rest-table != h.Bytes {
		return Block{}, Errorf(CodeCorrupt, "block of %d bytes says %d records of %d bytes", len(b), h.Count, h.Bytes)
	}
	if h.First == 0 || h.First >= MaxPosition || uint64(h.Count) > uint64(MaxPosition-h.First) {
		return Block{}, Errorf(CodeCorrupt, "block of %d records begins at position %d", h.Count, h.First)
	}
	if h.ArrivedMs < 0 {
		return Block{}, Errorf(CodeCorrupt, "block arrived at %d", h.ArrivedMs)
	}
	var sum uint64
	for i := range int(h.Count) {
		key, data := entry(b, i)
		sum += uint64(key) + uint64(data)
	}
	if sum != h.Bytes {
		return Block{}, Errorf(CodeCorrupt, "block's records have %d bytes, not %d", sum, h.Bytes)
	}
	return Block{header: h, b: b}, nil
}

func entry(b []byte, i int) (key, data int) {
	at := blockHeaderSize + i*blockEntrySize
	return int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint32(b[at+2:]))
}

// Header says what holds for all records.
func (b Block) Header() BlockHeader { return b.header }

// Last is the position of the last record, 0 if there is none.
func (b Block) Last() Position {
	if b.header.Count == 0 {
		return 0
	}
	return b.header.First + Position(b.header.Count) - 1
}

// Encoded is the block as stored and sent.
func (b Block) Encoded() []byte { return b.b }

// All yields the records in order. Keys and data alias the block.
func (b Block) All() iter.Seq2[Position, Record] { return b.From(0) }

// From yields the records at and after p. It allocates nothing per record.
func (b Block) From(p Position) iter.Seq2[Position, Record] {
	return func(yield func(Position, Record) bool) {
		at := blockHeaderSize + int(b.header.Count)*blockEntrySize
		for i := range int(b.header.Count) {
			key, data := entry(b.b, i)
			pos := b.header.First + Position(i)
			if pos >= p {
				r := Record{PartitionKey: alias(b.b[at : at+key]), Data: b.b[at+key : at+key+data : at+key+data]}
				if !yield(pos, r) {
					return
				}
			}
			at += key + data
		}
	}
}

// alias is b as a string without a copy; blocks never change.
func alias(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}
