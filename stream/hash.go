package stream

import (
	"cmp"
	"crypto/md5" //nolint:gosec // the hash that Kinesis places records by
	"encoding/binary"
	"math/big"
	"math/bits"
)

// HashKey is a point of the 128-bit space that shards divide.
type HashKey struct{ Hi, Lo uint64 }

// MaxHashKey is 2^128 - 1.
var MaxHashKey = HashKey{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

// HashOf is where a record with this partition key belongs: the MD5 of its
// UTF-8 bytes, read as a big-endian number.
func HashOf(partitionKey string) HashKey {
	sum := md5.Sum([]byte(partitionKey)) //nolint:gosec
	return HashKey{Hi: binary.BigEndian.Uint64(sum[:8]), Lo: binary.BigEndian.Uint64(sum[8:])}
}

// ParseHashKey reads the decimal form: no sign, no leading zero, below 2^128.
func ParseHashKey(s string) (HashKey, error) {
	if s == "" || len(s) > 39 || (len(s) > 1 && s[0] == '0') {
		return HashKey{}, Errorf(CodeInvalidArgument, "hash key %q is not a decimal number below 2^128", shorten(s))
	}
	var k HashKey
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return HashKey{}, Errorf(CodeInvalidArgument, "hash key %q is not a decimal number below 2^128", s)
		}
		var over bool
		if k, over = k.timesTenPlus(uint64(d)); over {
			return HashKey{}, Errorf(CodeInvalidArgument, "hash key %s is not below 2^128", s)
		}
	}
	return k, nil
}

func (k HashKey) timesTenPlus(d uint64) (HashKey, bool) {
	carry, lo := bits.Mul64(k.Lo, 10)
	top, hi := bits.Mul64(k.Hi, 10)
	var c uint64
	lo, c = bits.Add64(lo, d, 0)
	hi, c = bits.Add64(hi, carry, c)
	return HashKey{hi, lo}, top != 0 || c != 0
}

func (k HashKey) String() string {
	return k.big().String()
}

func (k HashKey) big() *big.Int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.Hi)
	binary.BigEndian.PutUint64(b[8:], k.Lo)
	return new(big.Int).SetBytes(b[:])
}

// Compare is -1, 0 or 1.
func (k HashKey) Compare(o HashKey) int {
	if c := cmp.Compare(k.Hi, o.Hi); c != 0 {
		return c
	}
	return cmp.Compare(k.Lo, o.Lo)
}

// Next is k + 1; it wraps at the end of the space.
func (k HashKey) Next() HashKey { return k.add(HashKey{Lo: 1}) }

// Prev is k - 1; it wraps at zero.
func (k HashKey) Prev() HashKey { return k.sub(HashKey{Lo: 1}) }

func (k HashKey) add(o HashKey) HashKey {
	lo, c := bits.Add64(k.Lo, o.Lo, 0)
	hi, _ := bits.Add64(k.Hi, o.Hi, c)
	return HashKey{hi, lo}
}

func (k HashKey) sub(o HashKey) HashKey {
	lo, b := bits.Sub64(k.Lo, o.Lo, 0)
	hi, _ := bits.Sub64(k.Hi, o.Hi, b)
	return HashKey{hi, lo}
}

// HashRange is the part of the space that a shard holds. Both ends belong to it.
type HashRange struct{ Start, End HashKey }

func (r HashRange) String() string { return r.Start.String() + "-" + r.End.String() }

// Contains tells whether k lies in r.
func (r HashRange) Contains(k HashKey) bool {
	return r.Start.Compare(k) <= 0 && k.Compare(r.End) <= 0
}

// Middle is the key at which r splits into halves, the upper one larger by
// one if r's size is odd.
func (r HashRange) Middle() HashKey {
	d := r.End.sub(r.Start)
	half := HashKey{Hi: d.Hi >> 1, Lo: d.Lo>>1 | d.Hi<<63}
	return r.Start.add(half).Next()
}

// Split cuts r before at, by the rule of SplitShard: start+1 < at < end.
func (r HashRange) Split(at HashKey) (lo, hi HashRange, err error) {
	if r.Start == MaxHashKey || at.Compare(r.Start.Next()) <= 0 || at.Compare(r.End) >= 0 {
		return lo, hi, Errorf(CodeInvalidArgument, "hash key %s does not split %s", at, r)
	}
	return HashRange{r.Start, at.Prev()}, HashRange{at, r.End}, nil
}

// Join is the union of r and its upper neighbour.
func (r HashRange) Join(next HashRange) (HashRange, error) {
	if r.End == MaxHashKey || r.End.Next() != next.Start {
		return HashRange{}, Errorf(CodeInvalidArgument, "%s and %s are not neighbours", r, next)
	}
	return HashRange{r.Start, next.End}, nil
}

// EvenRanges divides the whole space over n shards as Kinesis does: steps of
// floor(2^128/n), the last range takes the rest. It returns nil for n < 1.
func EvenRanges(n int) []HashRange {
	if n < 1 {
		return nil
	}
	space := new(big.Int).Lsh(big.NewInt(1), 128)
	step := new(big.Int).Div(space, big.NewInt(int64(n)))
	ranges := make([]HashRange, n)
	start := new(big.Int)
	for i := range ranges {
		ranges[i].Start = fromBig(start)
		start.Add(start, step)
		if i == n-1 {
			ranges[i].End = MaxHashKey
		} else {
			ranges[i].End = fromBig(start).Prev()
		}
	}
	return ranges
}

// fromBig takes the low 128 bits.
func fromBig(n *big.Int) HashKey {
	mask := new(big.Int).SetUint64(1<<64 - 1)
	lo := new(big.Int).And(n, mask)
	hi := new(big.Int).And(new(big.Int).Rsh(n, 64), mask)
	return HashKey{Hi: hi.Uint64(), Lo: lo.Uint64()}
}

// shorten keeps an error about hostile input short.
func shorten(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
