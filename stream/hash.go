package stream

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// HashKey is a place in the hash space, a 128-bit unsigned integer.
type HashKey struct{ Hi, Lo uint64 }

// MaxHashKey is the last place of the hash space, 2^128-1.
var MaxHashKey = HashKey{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

// HashOf is the MD5 of the partition key, read as a big-endian integer.
func HashOf(partitionKey string) HashKey {
	sum := md5.Sum([]byte(partitionKey))
	return HashKey{Hi: binary.BigEndian.Uint64(sum[:8]), Lo: binary.BigEndian.Uint64(sum[8:])}
}

const maxHashKeyDigits = 39

// ParseHashKey reads a decimal number from 0 to 2^128-1 without leading zeros.
func ParseHashKey(s string) (HashKey, error) {
	if s == "" || len(s) > maxHashKeyDigits || len(s) > 1 && s[0] == '0' {
		return HashKey{}, errHashKey(s)
	}
	var k HashKey
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if d > 9 {
			return HashKey{}, errHashKey(s)
		}
		var ok bool
		if k, ok = k.mulAdd(10, d); !ok {
			return HashKey{}, errHashKey(s)
		}
	}
	return k, nil
}

func errHashKey(s string) error {
	return Errorf(CodeInvalidArgument, "%.64q is not a hash key: a decimal number from 0 to %s", s, MaxHashKey)
}

// mulAdd is k*m+a, if it fits.
func (k HashKey) mulAdd(m, a uint64) (HashKey, bool) {
	over, hi := bits.Mul64(k.Hi, m)
	carry, lo := bits.Mul64(k.Lo, m)
	lo, c := bits.Add64(lo, a, 0)
	hi, c = bits.Add64(hi, carry, c)
	return HashKey{Hi: hi, Lo: lo}, over == 0 && c == 0
}

// String is the decimal number.
func (k HashKey) String() string {
	var buf [maxHashKeyDigits]byte
	i := len(buf)
	for {
		var r uint64
		k.Hi, r = bits.Div64(0, k.Hi, 10)
		k.Lo, r = bits.Div64(r, k.Lo, 10)
		i--
		buf[i] = byte('0' + r)
		if k == (HashKey{}) {
			return string(buf[i:])
		}
	}
}

// Compare orders hash keys as numbers: -1, 0 or 1.
func (k HashKey) Compare(o HashKey) int {
	if c := cmp.Compare(k.Hi, o.Hi); c != 0 {
		return c
	}
	return cmp.Compare(k.Lo, o.Lo)
}

// Next is k+1; the last key is followed by 0.
func (k HashKey) Next() HashKey { return k.add(HashKey{Lo: 1}) }

// Prev is k-1; 0 is preceded by the last key.
func (k HashKey) Prev() HashKey { return k.sub(HashKey{Lo: 1}) }

func (k HashKey) add(o HashKey) HashKey {
	lo, c := bits.Add64(k.Lo, o.Lo, 0)
	hi, _ := bits.Add64(k.Hi, o.Hi, c)
	return HashKey{Hi: hi, Lo: lo}
}

func (k HashKey) sub(o HashKey) HashKey {
	lo, b := bits.Sub64(k.Lo, o.Lo, 0)
	hi, _ := bits.Sub64(k.Hi, o.Hi, b)
	return HashKey{Hi: hi, Lo: lo}
}

// HashRange is the hash keys from Start to End, both included.
type HashRange struct{ Start, End HashKey }

// Contains tells whether k is in r.
func (r HashRange) Contains(k HashKey) bool { return k.Compare(r.Start) >= 0 && k.Compare(r.End) <= 0 }

// String is "start-end" in decimal.
func (r HashRange) String() string { return fmt.Sprintf("%s-%s", r.Start, r.End) }

// Split cuts r into [Start, at-1] and [at, End]. As in Kinesis, at must be
// greater than Start+1 and less than End.
func (r HashRange) Split(at HashKey) (lo, hi HashRange, err error) {
	if at.Compare(r.Start) <= 0 || at.Prev() == r.Start || at.Compare(r.End) >= 0 {
		return lo, hi, Errorf(CodeInvalidArgument, "hash key %s does not split %s", at, r)
	}
	return HashRange{r.Start, at.Prev()}, HashRange{at, r.End}, nil
}

// Middle is the key at which Split makes halves. Of fewer than four keys it is
// one that Split refuses.
func (r HashRange) Middle() HashKey {
	width := r.End.sub(r.Start)
	half := HashKey{Hi: width.Hi >> 1, Lo: width.Hi<<63 | width.Lo>>1}
	return r.Start.add(half).Next()
}

// Join is r together with the range right after it.
func (r HashRange) Join(next HashRange) (HashRange, error) {
	if r.End == MaxHashKey || r.End.Next() != next.Start {
		return HashRange{}, Errorf(CodeInvalidArgument, "%s is not followed by %s", r, next)
	}
	return HashRange{r.Start, next.End}, nil
}

// EvenRanges tiles the hash space with n ranges of floor(2^128/n) keys, the
// last of which takes what remains. It is nil if n is not positive.
func EvenRanges(n int) []HashRange {
	if n <= 0 {
		return nil
	}
	ranges := make([]HashRange, n)
	if n > 1 {
		hi, r := bits.Div64(1, 0, uint64(n))
		lo, _ := bits.Div64(r, 0, uint64(n))
		step := HashKey{Hi: hi, Lo: lo}
		start := HashKey{}
		for i := range ranges {
			ranges[i].Start = start
			start = start.add(step)
			ranges[i].End = start.Prev()
		}
	}
	ranges[n-1].End = MaxHashKey
	return ranges
}
