package wire

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var errMalformed = errors.New("malformed protobuf message")

// A field is one field of a message: v for varint and fixed64 fields, b for
// length-delimited ones.
type field struct {
	num protowire.Number
	typ protowire.Type
	v   uint64
	b   []byte
}

// next takes one field off msg.
func next(msg []byte) (f field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return f, nil, errMalformed
	}
	msg = msg[n:]
	f.num, f.typ = num, typ
	switch typ {
	case protowire.VarintType:
		f.v, n = protowire.ConsumeVarint(msg)
	case protowire.Fixed64Type:
		f.v, n = protowire.ConsumeFixed64(msg)
	case protowire.BytesType:
		f.b, n = protowire.ConsumeBytes(msg)
	default:
		n = protowire.ConsumeFieldValue(num, typ, msg)
	}
	if n < 0 {
		return f, nil, errMalformed
	}
	return f, msg[n:], nil
}

// each calls do for every field of msg.
func each(msg []byte, do func(field) error) error {
	for len(msg) > 0 {
		f, rest, err := next(msg)
		if err != nil {
			return err
		}
		if err := do(f); err != nil {
			return err
		}
		msg = rest
	}
	return nil
}

// is tells whether f is field num of type typ. A known number with another
// type is treated as an unknown field, as the protobuf library does.
func (f field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

func appendVarintField(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBytesHead(b []byte, num protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.BytesType), uint64(size))
}

// sizeBytesField is the size of a length-delimited field with size bytes, for
// numbers below 16.
func sizeBytesField(size int) int { return 1 + protowire.SizeBytes(size) }
