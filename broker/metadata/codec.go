package metadata

import (
	"encoding/binary"
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// writer appends fields. Integers are unsigned varints.
type writer struct{ b []byte }

func (w *writer) byte(v byte)     { w.b = append(w.b, v) }
func (w *writer) uint(v uint64)   { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) uint32(v uint32) { w.uint(uint64(v)) }

// time writes milliseconds or seconds, which are never negative.
func (w *writer) time(v int64)     { w.uint(uint64(max(v, 0))) }
func (w *writer) bytes(v []byte)   { w.b = append(w.b, v...) }
func (w *writer) string(v string)  { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *writer) optional(v int64) { w.uint(uint64(v + 1)) } // -1 for none
func (w *writer) key(k stream.HashKey) {
	w.b = binary.BigEndian.AppendUint64(w.b, k.Hi)
	w.b = binary.BigEndian.AppendUint64(w.b, k.Lo)
}

func (w *writer) hashRange(r stream.HashRange) {
	w.key(r.Start)
	w.key(r.End)
}

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
		return
	}
	w.byte(0)
}

func (w *writer) limits(l Limits) {
	w.uint32(l.Shards)
	w.uint32(l.Creating)
	w.uint32(l.ScalesPerDay)
}

// reader takes fields off a buffer and remembers that it ran short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.bad = true
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(v)
}

func (r *reader) time() int64 {
	v := r.uint()
	if v > 1<<63-1 {
		r.fail()
		return 0
	}
	return int64(v)
}

func (r *reader) optional() int64 {
	v := r.uint()
	if v > 1<<32 {
		r.fail()
		return -1
	}
	return int64(v) - 1
}

func (r *reader) bytes(dst []byte) {
	if len(r.b) < len(dst) {
		r.fail()
		return
	}
	r.b = r.b[copy(dst, r.b):]
}

func (r *reader) string() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// count reads the number of elements of a list, each at least size bytes long.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) key() stream.HashKey {
	var b [16]byte
	r.bytes(b[:])
	return stream.HashKey{Hi: binary.BigEndian.Uint64(b[:8]), Lo: binary.BigEndian.Uint64(b[8:])}
}

func (r *reader) hashRange() stream.HashRange {
	return stream.HashRange{Start: r.key(), End: r.key()}
}

func (r *reader) bool() bool { return r.byte() != 0 }

func (r *reader) limits() Limits {
	return Limits{Shards: r.uint32(), Creating: r.uint32(), ScalesPerDay: r.uint32()}
}

// done reports what is wrong with what was read.
func (r *reader) done(what string) error {
	switch {
	case r.bad:
		return fmt.Errorf("decode %s: cut short or out of range", what)
	case len(r.b) > 0:
		return fmt.Errorf("decode %s: %d bytes too many", what, len(r.b))
	}
	return nil
}
