package wire

import (
	"sync"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
)

// Field numbers of Block, ReadRecordsResponse, SubscribeResponse and
// SubscribeBlocks.
const (
	blockEncoded, blockFirst, blockLast = 1, 2, 3
	readBlocks                          = 1
	pushMessage, pushBlocks             = 2, 1
	pushNext, pushBehind                = 2, 3

	// blockFraming is the most that a block takes beside its bytes.
	blockFraming = 2*(1+maxVarint) + 2*(1+maxVarint)
	// A block smaller than this is copied, a larger one goes to the connection as it
	// is. A small block may be a part of a much larger buffer, which it would keep in
	// memory for as long as the reader is slow.
	copyBelow = 32 << 10
)

// gather builds a message of small pieces, which it copies, and large ones,
// which it does not.
type gather struct {
	out   mem.BufferSlice
	small []byte // since the last large piece
}

func (g *gather) large(b []byte) {
	if len(b) < copyBelow {
		g.small = append(g.small, b...)
		return
	}
	g.flush()
	g.out = append(g.out, mem.SliceBuffer(b))
}

func (g *gather) flush() {
	if len(g.small) > 0 {
		n := len(g.small)
		g.out = append(g.out, mem.SliceBuffer(g.small[:n:n]))
		g.small = g.small[n:]
	}
}

func sizeBlock(b *runnelv1.Block) int {
	n := sizeBytesField(len(b.GetEncoded()))
	if b.GetFirst() != 0 {
		n += 1 + protowire.SizeVarint(b.GetFirst())
	}
	if b.GetLast() != 0 {
		n += 1 + protowire.SizeVarint(b.GetLast())
	}
	return n
}

// blocks appends the blocks as elements of field 1, which they are in both
// messages that have them.
func (g *gather) blocks(blocks []*runnelv1.Block) {
	small := 0
	for _, b := range blocks {
		small += blockFraming
		if len(b.GetEncoded()) < copyBelow {
			small += len(b.GetEncoded())
		}
	}
	g.small = append(make([]byte, 0, len(g.small)+small), g.small...)
	for _, b := range blocks {
		g.small = appendBytesHead(g.small, readBlocks, sizeBlock(b))
		g.small = appendBytesHead(g.small, blockEncoded, len(b.GetEncoded()))
		g.large(b.GetEncoded())
		g.small = appendVarintField(g.small, blockFirst, b.GetFirst())
		g.small = appendVarintField(g.small, blockLast, b.GetLast())
	}
}

// Read is a ReadRecordsResponse on its way out. Sent is called when it is on the
// wire. After the end of the connection it may not be called.
type Read struct {
	Response *runnelv1.ReadRecordsResponse
	Sent     func()
}

// encodeRead lets the library code all but the blocks.
func encodeRead(m *runnelv1.ReadRecordsResponse, sent func()) (mem.BufferSlice, error) {
	rest, err := proto.Marshal(&runnelv1.ReadRecordsResponse{
		NextIterator: m.GetNextIterator(), MillisBehind: m.GetMillisBehind(),
		Children: m.GetChildren(), CreatedSec: m.GetCreatedSec(), Shard: m.GetShard(),
	})
	if err != nil {
		return nil, err
	}
	var g gather
	g.blocks(m.GetBlocks())
	g.flush()
	return append(g.out, last(rest, sent)), nil
}

// Push is a SubscribeResponse with blocks on its way out. Sent, if it is set, is
// called when the message is on the wire. After the end of the connection it may
// not be called.
type Push struct {
	Blocks *runnelv1.SubscribeBlocks
	Sent   func()
}

func (p *Push) encode() mem.BufferSlice {
	size := 0
	for _, b := range p.Blocks.GetBlocks() {
		size += sizeBytesField(sizeBlock(b))
	}
	rest := appendVarintField(make([]byte, 0, 2*(1+maxVarint)), pushNext, p.Blocks.GetNext())
	rest = appendVarintField(rest, pushBehind, uint64(p.Blocks.GetMillisBehind()))
	g := gather{small: appendBytesHead(make([]byte, 0, 1+maxVarint), pushMessage, size+len(rest))}
	g.blocks(p.Blocks.GetBlocks())
	g.flush()
	return append(g.out, last(rest, p.Sent))
}

// last makes the end of a message a buffer that tells when it is sent.
func last(rest []byte, tell func()) mem.Buffer {
	if tell == nil {
		return mem.SliceBuffer(rest)
	}
	buf := ends.Get().(*[]byte)
	*buf = append((*buf)[:0], rest...)
	return mem.NewBuffer(buf, sent(tell))
}

// ends are buffers just large enough that gRPC gives them back.
var ends = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// sent is a pool of buffers that hears when they are given back.
type sent func()

func (sent) Get(int) *[]byte { return ends.Get().(*[]byte) }

func (s sent) Put(b *[]byte) {
	s()
	ends.Put(b)
}

// own is the message as one slice that nobody else writes: blocks alias it.
func own(data mem.BufferSlice) []byte { return data.Materialize() }

func decodeRead(data mem.BufferSlice, m *runnelv1.ReadRecordsResponse) error {
	m.Reset()
	blocks, rest, err := splitBlocks(own(data))
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(rest, m); err != nil {
		return err
	}
	m.Blocks = blocks
	return nil
}

// decodePush looks for the one field that holds blocks. A message with anything
// beside it goes through the library.
func decodePush(data mem.BufferSlice, m *runnelv1.SubscribeResponse) error {
	m.Reset()
	msg := own(data)
	f, after, err := next(msg)
	if err != nil || !f.is(pushMessage, protowire.BytesType) || len(after) > 0 {
		return proto.Unmarshal(msg, m)
	}
	blocks, rest, err := splitBlocks(f.b)
	if err != nil {
		return err
	}
	push := &runnelv1.SubscribeBlocks{}
	if err := proto.Unmarshal(rest, push); err != nil {
		return err
	}
	push.Blocks = blocks
	m.Response = &runnelv1.SubscribeResponse_Blocks{Blocks: push}
	return nil
}

// splitBlocks takes the elements of field 1 out of msg; rest is all else.
func splitBlocks(msg []byte) (blocks []*runnelv1.Block, rest []byte, err error) {
	for len(msg) > 0 {
		f, after, err := next(msg)
		if err != nil {
			return nil, nil, err
		}
		if !f.is(readBlocks, protowire.BytesType) {
			rest = append(rest, msg[:len(msg)-len(after)]...)
			msg = after
			continue
		}
		b := &runnelv1.Block{}
		if err := parseBlock(f.b, b); err != nil {
			return nil, nil, err
		}
		blocks = append(blocks, b)
		msg = after
	}
	return blocks, rest, nil
}

func parseBlock(msg []byte, b *runnelv1.Block) error {
	return each(msg, func(f field) error {
		switch {
		case f.is(blockEncoded, protowire.BytesType):
			b.Encoded = f.b[:len(f.b):len(f.b)]
		case f.is(blockFirst, protowire.VarintType):
			b.First = f.v
		case f.is(blockLast, protowire.VarintType):
			b.Last = f.v
		}
		return nil
	})
}
