package checker

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// MinPayload is the least size of a payload in bytes.
const MinPayload = 16

// payload makes the bytes of put id: the id, a tag by which the id itself can be
// trusted, and pseudo-random bytes that follow from both.
func payload(seed, id uint64, size int) []byte {
	size = max(size, MinPayload)
	b := make([]byte, 0, size+8)
	b = binary.BigEndian.AppendUint64(b, id)
	src := rand.NewPCG(seed, id)
	for len(b) < size {
		b = binary.BigEndian.AppendUint64(b, src.Uint64())
	}
	return b[:size]
}

// payloadID is the id that b claims. It is only known to be right if intact is
// true of b too.
func payloadID(seed uint64, b []byte) (id uint64, ok bool) {
	if len(b) < MinPayload {
		return 0, false
	}
	id = binary.BigEndian.Uint64(b)
	return id, binary.BigEndian.Uint64(b[8:]) == rand.NewPCG(seed, id).Uint64()
}

func intact(seed, id uint64, b []byte) bool { return bytes.Equal(b, payload(seed, id, len(b))) }
