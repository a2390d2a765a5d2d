package stream

import (
	"cmp"
	"math/bits"
)

// Sequence is the public number of a record in the layout of AWS: 188 bits,
// from the highest
//
//	4 bits: 2 | 36: CreatedSec | 4: Shard's low bits | 64: Position | 8: 0 | 36: ArrivedSec | 32: Shard | 4: 2
//
// printed as 56 decimal digits. As CreatedSec stands first, the numbers of a
// child are greater than its parents' if its CreatedSec is; within a shard
// Position orders them.
type Sequence struct {
	CreatedSec int64    // of the shard, seconds since 1970; orders numbers, and may run ahead of the clock
	Position   Position // at most MaxPosition
	ArrivedSec int64    // of the record, seconds since 1970
	Shard      uint32
}

const (
	sequenceDigits = 56
	// Seconds at or past this have no sequence number in AWS either.
	maxCreatedSec = 16025175000
	secBits       = 36
	secMask       = 1<<secBits - 1
	chunkDigits   = 19
	chunk         = 1e19 // 10^chunkDigits, the greatest power of ten in 64 bits
)

// StartingSequence is less than the number of every record of the shard.
func StartingSequence(createdSec int64, shard uint32) Sequence {
	return Sequence{CreatedSec: createdSec, ArrivedSec: createdSec, Shard: shard}
}

// EndingSequence is greater than the number of every record of the shard.
func EndingSequence(createdSec, closedSec int64, shard uint32) Sequence {
	return Sequence{CreatedSec: createdSec, Position: MaxPosition, ArrivedSec: closedSec, Shard: shard}
}

// Compare orders sequences as the numbers they print as: -1, 0 or 1.
func (s Sequence) Compare(o Sequence) int {
	return cmp.Or(
		cmp.Compare(s.CreatedSec, o.CreatedSec),
		cmp.Compare(s.Shard&0xf, o.Shard&0xf),
		cmp.Compare(s.Position, o.Position),
		cmp.Compare(s.ArrivedSec, o.ArrivedSec),
		cmp.Compare(s.Shard, o.Shard),
	)
}

// limbs is the 188-bit number, most significant first.
func (s Sequence) limbs() (hi, mid, lo uint64) {
	created, arrived := uint64(s.CreatedSec)&secMask, uint64(s.ArrivedSec)&secMask
	shard, pos := uint64(s.Shard), uint64(s.Position)&uint64(MaxPosition)
	lo = 2 | shard<<4 | arrived<<36 // arrived's low 28 bits
	mid = arrived>>28 | pos<<16     // 8 bits of arrived, 8 of zero, pos's low 48 bits
	hi = pos>>48 | (shard&0xf)<<16 | created<<20 | 2<<56
	return hi, mid, lo
}

// AppendTo appends the 56 digits to dst.
func (s Sequence) AppendTo(dst []byte) []byte {
	hi, mid, lo := s.limbs()
	var buf [3 * chunkDigits]byte
	for end := len(buf); end > 0; end -= chunkDigits {
		var r uint64
		hi, r = hi/chunk, hi%chunk
		mid, r = bits.Div64(r, mid, chunk)
		lo, r = bits.Div64(r, lo, chunk)
		for i := end - 1; i >= end-chunkDigits; i-- {
			buf[i] = byte('0' + r%10)
			r /= 10
		}
	}
	return append(dst, buf[len(buf)-sequenceDigits:]...)
}

// String is the 56 digits. Fields out of range are cut to their width.
func (s Sequence) String() string {
	var buf [sequenceDigits]byte
	return string(s.AppendTo(buf[:0]))
}

// ParseSequence reads a number that String made, and nothing else.
func ParseSequence(text string) (Sequence, error) {
	hi, mid, lo, ok := parseLimbs(text)
	if !ok {
		return Sequence{}, errSequence(text)
	}
	s := Sequence{
		CreatedSec: int64(hi >> 20 & secMask),
		Position:   Position(hi<<48 | mid>>16),
		ArrivedSec: int64(mid&0xff<<28 | lo>>36),
		Shard:      uint32(lo >> 4),
	}
	if s.Position > MaxPosition || s.CreatedSec >= maxCreatedSec {
		return Sequence{}, errSequence(text)
	}
	if h, m, l := s.limbs(); h != hi || m != mid || l != lo { // version, spare bits, the shard told twice
		return Sequence{}, errSequence(text)
	}
	return s, nil
}

func parseLimbs(text string) (hi, mid, lo uint64, ok bool) {
	if len(text) != sequenceDigits {
		return 0, 0, 0, false
	}
	for i := range len(text) {
		d := uint64(text[i] - '0')
		if d > 9 {
			return 0, 0, 0, false
		}
		var c, c2 uint64
		c, lo = bits.Mul64(lo, 10)
		lo, c2 = bits.Add64(lo, d, 0)
		c += c2
		var m uint64
		m, mid = bits.Mul64(mid, 10)
		mid, c2 = bits.Add64(mid, c, 0)
		hi = hi*10 + m + c2 // 10^56 has 187 bits
	}
	return hi, mid, lo, true
}

func errSequence(text string) error {
	return Errorf(CodeInvalidArgument, "%.64q is not a sequence number", text)
}
