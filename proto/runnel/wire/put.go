package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// Field numbers of PutStreamRequest, PutEntry and HashKey in record.proto.
const (
	putID, putStream, putRecords   = 1, 2, 3
	entryKey, entryHash, entryData = 1, 2, 3
	hashHi, hashLo                 = 1, 2
	hashSize                       = 18 // both fields, tags included
	maxVarint                      = 10
	putHeadSize                    = 2*(1+maxVarint) + 2*stream.MaxNameBytes
)

// PutEntry is a PutEntry message. HasHash tells that Hash was given.
type PutEntry struct {
	PartitionKey string
	HasHash      bool
	Hash         stream.HashKey
	Data         []byte
}

func (e *PutEntry) bodySize() int {
	n := 0
	if e.PartitionKey != "" {
		n += sizeBytesField(len(e.PartitionKey))
	}
	if e.HasHash {
		n += sizeBytesField(hashSize)
	}
	if len(e.Data) > 0 {
		n += sizeBytesField(len(e.Data))
	}
	return n
}

// EntrySize is how many bytes AppendEntry appends.
func EntrySize(e *PutEntry) int { return sizeBytesField(e.bodySize()) }

// AppendEntry appends e as one element of PutStreamRequest.records.
func AppendEntry(b []byte, e *PutEntry) []byte {
	b = appendBytesHead(b, putRecords, e.bodySize())
	if e.PartitionKey != "" {
		b = append(appendBytesHead(b, entryKey, len(e.PartitionKey)), e.PartitionKey...)
	}
	if e.HasHash {
		b = appendBytesHead(b, entryHash, hashSize)
		b = protowire.AppendFixed64(protowire.AppendTag(b, hashHi, protowire.Fixed64Type), e.Hash.Hi)
		b = protowire.AppendFixed64(protowire.AppendTag(b, hashLo, protowire.Fixed64Type), e.Hash.Lo)
	}
	if len(e.Data) > 0 {
		b = append(appendBytesHead(b, entryData, len(e.Data)), e.Data...)
	}
	return b
}

// PutMessage is a PutStreamRequest on its way out. Entries is what AppendEntry
// made; it is taken over and given to Pool once it is on the wire.
type PutMessage struct {
	ID      uint64
	Stream  string
	Entries *[]byte
	Pool    mem.BufferPool
}

func (m *PutMessage) encode() mem.BufferSlice {
	head := make([]byte, 0, putHeadSize)
	head = appendVarintField(head, putID, m.ID)
	head = append(appendBytesHead(head, putStream, len(m.Stream)), m.Stream...)
	return mem.BufferSlice{mem.SliceBuffer(head), mem.NewBuffer(m.Entries, m.Pool)}
}

// PutBatch is a received PutStreamRequest. Data of the entries aliases a buffer
// that Free gives back.
type PutBatch struct {
	ID      uint64
	Stream  string
	Entries []PutEntry

	keys []byte
	buf  mem.Buffer
}

// Bytes is how much memory the batch holds.
func (p *PutBatch) Bytes() int {
	if p.buf == nil {
		return 0
	}
	return p.buf.Len()
}

// Free lets the buffer behind the entries be used again. Who is not certain that
// nobody still looks at them does not call it: the garbage collector then takes it.
func (p *PutBatch) Free() {
	if p.buf != nil {
		p.buf.Free()
	}
	p.buf = nil
	clear(p.Entries)
	p.Entries = p.Entries[:0]
}

// batchPool lends buffers for received batches. gRPC's own pool has nothing between
// 32 KiB and 1 MiB, and batches are in flight by the hundreds.
var batchPool = mem.NewTieredBufferPool(
	4<<10, 16<<10, 32<<10, 64<<10, 128<<10, 192<<10, 256<<10, 384<<10, 512<<10, 640<<10, 768<<10, 1<<20,
)

func (p *PutBatch) decode(data mem.BufferSlice) error {
	p.buf = data.MaterializeToBuffer(batchPool)
	p.ID, p.Stream, p.Entries, p.keys = 0, "", p.Entries[:0], p.keys[:0]
	err := p.parse(p.buf.ReadOnlyData())
	if err != nil {
		p.Free()
	}
	return err
}

func (p *PutBatch) parse(msg []byte) error {
	for len(msg) > 0 {
		f, rest, err := next(msg)
		if err != nil {
			return err
		}
		switch {
		case f.is(putID, protowire.VarintType):
			p.ID = f.v
		case f.is(putStream, protowire.BytesType):
			p.Stream = string(f.b)
		case f.is(putRecords, protowire.BytesType):
			if err := p.entry(f.b); err != nil {
				return err
			}
		}
		msg = rest
	}
	if !utf8.ValidString(p.Stream) {
		return errMalformed
	}
	p.nameKeys()
	return nil
}

// entry parses one entry but for its key, which it leaves in p.keys behind its
// length.
func (p *PutBatch) entry(msg []byte) error {
	if len(p.Entries) > stream.MaxPutRecords {
		return nil // one too many is enough to be refused; millions of empty ones would not fit into memory
	}
	var e PutEntry
	var key []byte
	for len(msg) > 0 {
		f, rest, err := next(msg)
		if err != nil {
			return err
		}
		switch {
		case f.is(entryKey, protowire.BytesType):
			key = f.b
		case f.is(entryHash, protowire.BytesType):
			e.HasHash = true
			if err := parseHash(f.b, &e.Hash); err != nil {
				return err
			}
		case f.is(entryData, protowire.BytesType):
			e.Data = f.b[:len(f.b):len(f.b)]
		}
		msg = rest
	}
	if !utf8.Valid(key) {
		return errMalformed
	}
	p.keys = binary.BigEndian.AppendUint32(p.keys, uint32(len(key)))
	p.keys = append(p.keys, key...)
	p.Entries = append(p.Entries, e)
	return nil
}

// decodePutRecords is the library's decoding, of one record too many at most:
// that is enough to be refused, and millions of empty ones would take many times
// the memory of the message.
func decodePutRecords(data mem.BufferSlice, m *runnelv1.PutRecordsRequest) error {
	const records = 2 // PutRecordsRequest.records
	msg := own(data)
	n := 0
	for rest := msg; len(rest) > 0; {
		f, after, err := next(rest)
		if err != nil {
			return err
		}
		if f.num == records {
			n++
		}
		if n > stream.MaxPutRecords+1 {
			msg = msg[:len(msg)-len(rest)]
			break
		}
		rest = after
	}
	return proto.Unmarshal(msg, m)
}

// nameKeys gives every entry its key out of one string, instead of one
// allocation a record.
func (p *PutBatch) nameKeys() {
	all := string(p.keys)
	for i := range p.Entries {
		n := int(binary.BigEndian.Uint32(p.keys[len(p.keys)-len(all):]))
		p.Entries[i].PartitionKey = all[4 : 4+n]
		all = all[4+n:]
	}
}

func parseHash(msg []byte, k *stream.HashKey) error {
	return each(msg, func(f field) error {
		switch {
		case f.is(hashHi, protowire.Fixed64Type):
			k.Hi = f.v
		case f.is(hashLo, protowire.Fixed64Type):
			k.Lo = f.v
		}
		return nil
	})
}
