package stream

import "math/bits"

// divWords divides a 192-bit number by d and returns quotient and rest.
func divWords(w [3]uint64, d uint64) (q [3]uint64, rest uint64) {
	for i, word := range w {
		q[i], rest = bits.Div64(rest, word, d)
	}
	return q, rest
}

// appendPadded appends v with leading zeros to 18 digits.
func appendPadded(dst []byte, v uint64) []byte {
	var b [18]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, b[:]...)
}
