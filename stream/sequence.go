package stream

import (
	"cmp"
	"fmt"
	"math/big"
)

// Position counts the records of a group from 1. Positions of one shard
// increase, with gaps. 0 is before every record.
type Position uint64

// MaxPosition belongs to the closing number of a shard; no record has it.
const MaxPosition Position = 1<<63 - 1

// maxSeconds is the greatest time that fits into 36 bits of a number.
const maxSeconds = 1<<36 - 1

// Sequence is what a public sequence number says. Numbers order by creation
// second of the shard first, so that a child's are greater than its parents'.
type Sequence struct {
	CreatedSec int64 // when the shard was created, epoch seconds; orders only
	Position   Position
	ArrivedSec int64 // when the record arrived, epoch seconds
	Shard      uint32
}

// A number has 47 hex digits, printed as 56 decimals: 2, nine digits of the
// creation second, the low nibble of the shard index, sixteen of the
// position, 00, nine of the arrival second, eight of the shard index, 2.
const (
	version2     = 2
	shardShift   = 4
	arrivedShift = shardShift + 32
	posShift     = arrivedShift + 36 + 8
	nibbleShift  = posShift + 64
	createdShift = nibbleShift + 4
	topShift     = createdShift + 36
)

// StartingSequence is the number a shard begins with, before its first record.
func StartingSequence(createdSec int64, shard uint32) Sequence {
	return Sequence{CreatedSec: createdSec, ArrivedSec: createdSec, Shard: shard}
}

// EndingSequence is the number a closed shard ends with, after its last record.
func EndingSequence(createdSec, closedSec int64, shard uint32) Sequence {
	return Sequence{CreatedSec: createdSec, Position: MaxPosition, ArrivedSec: closedSec, Shard: shard}
}

// words is the number as three 64-bit words, most significant first.
func (s Sequence) words() [3]uint64 {
	var w [3]uint64
	put := func(v uint64, shift uint) {
		i := 2 - shift/64
		w[i] |= v << (shift % 64)
		if shift%64 != 0 && i > 0 {
			w[i-1] |= v >> (64 - shift%64)
		}
	}
	put(version2, 0)
	put(uint64(s.Shard), shardShift)
	put(uint64(s.ArrivedSec)&maxSeconds, arrivedShift)
	put(uint64(s.Position&MaxPosition), posShift)
	put(uint64(s.Shard&15), nibbleShift)
	put(uint64(s.CreatedSec)&maxSeconds, createdShift)
	put(version2, topShift)
	return w
}

// String is the public form, 56 decimal digits for every time of this era.
func (s Sequence) String() string {
	w := s.words()
	const chunk = 1e18
	var digits [4]uint64 // base 10^18, least significant first
	for i := range digits {
		w, digits[i] = divWords(w, chunk)
	}
	var buf [72]byte
	out := buf[:0]
	started := false
	for i := len(digits) - 1; i >= 0; i-- {
		switch {
		case started:
			out = appendPadded(out, digits[i])
		case digits[i] != 0:
			out = fmt.Append(out, digits[i])
			started = true
		}
	}
	return string(out)
}

// ParseSequence reads the public form. Only the current layout is known; a
// number of another layout is an error, as is one that no shard of ours gives.
func ParseSequence(text string) (Sequence, error) {
	bad := func() (Sequence, error) {
		return Sequence{}, Errorf(CodeInvalidArgument, "%q is not a sequence number", shorten(text))
	}
	if len(text) == 0 || len(text) > 57 || text[0] == '0' {
		return bad()
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return bad()
		}
	}
	n, _ := new(big.Int).SetString(text, 10)
	if n.BitLen() != topShift+2 {
		return bad()
	}
	field := func(shift, bits uint) uint64 {
		f := new(big.Int).Rsh(n, shift)
		return f.And(f, new(big.Int).SetUint64(1<<bits-1)).Uint64()
	}
	s := Sequence{
		CreatedSec: int64(field(createdShift, 36)),
		Position:   Position(field(posShift, 63)),
		ArrivedSec: int64(field(arrivedShift, 36)),
		Shard:      uint32(field(shardShift, 32)),
	}
	if new(big.Int).SetBytes(s.bytes()).Cmp(n) != 0 {
		return bad()
	}
	return s, nil
}

func (s Sequence) bytes() []byte {
	b := make([]byte, 0, 24)
	for _, w := range s.words() {
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(w>>shift))
		}
	}
	return b
}

// Compare orders as the decimal numbers do: -1, 0 or 1.
func (s Sequence) Compare(o Sequence) int {
	a, b := s.words(), o.words()
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]), cmp.Compare(a[2], b[2]))
}
