package client

import "sync"

// bufferPool lends buffers for encoded records. gRPC gives them back once they
// are on the wire, from a goroutine of its own.
type bufferPool struct {
	small, large sync.Pool
}

const (
	smallBuffer = 64 << 10
	largeBuffer = 1 << 20
	keepBuffer  = 4 << 20 // larger ones are left to the garbage collector
)

var buffers = &bufferPool{
	small: sync.Pool{New: func() any { b := make([]byte, 0, smallBuffer); return &b }},
	large: sync.Pool{New: func() any { b := make([]byte, 0, largeBuffer); return &b }},
}

// Get returns an empty buffer with room for at least size bytes.
func (p *bufferPool) Get(size int) *[]byte {
	var b *[]byte
	switch {
	case size <= smallBuffer:
		b = p.small.Get().(*[]byte)
	default:
		b = p.large.Get().(*[]byte)
	}
	if cap(*b) < size {
		*b = make([]byte, 0, size)
	}
	*b = (*b)[:0]
	return b
}

// Put takes a buffer back.
func (p *bufferPool) Put(b *[]byte) {
	switch c := cap(*b); {
	case c > keepBuffer:
	case c >= largeBuffer:
		p.large.Put(b)
	case c >= smallBuffer:
		p.small.Put(b)
	}
}
