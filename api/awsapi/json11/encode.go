package json11

import (
	"encoding/base64"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// Encoder writes a value into a buffer. When the buffer is full it is either
// flushed or, if there is nowhere to flush it to, dropped: the Encoder then goes
// on to measure.
type Encoder struct {
	w     io.Writer
	buf   []byte
	limit int
	total int64 // bytes dropped or flushed
	err   error
	comma bool // a value came before on this level
}

// NewEncoder returns an Encoder whose buffer, reused from buf, is given away once it
// holds limit bytes.
func NewEncoder(buf []byte, limit int) *Encoder {
	return &Encoder{buf: buf[:0], limit: limit}
}

// Encode writes a structure with the members that reply writes.
func (e *Encoder) Encode(reply shape.Reply) {
	e.comma = false
	shape.Out{Encoder: e}.Item(reply)
}

// Len is how long all that was written is.
func (e *Encoder) Len() int64 { return e.total + int64(len(e.buf)) }

// Whole is all that was written, or false if the buffer did not hold it.
func (e *Encoder) Whole() ([]byte, bool) { return e.buf, e.total == 0 }

// Stream begins again and flushes to w from now on.
func (e *Encoder) Stream(w io.Writer) {
	e.w, e.buf, e.total, e.err = w, e.buf[:0], 0, nil
}

// Measure begins again and flushes to nobody.
func (e *Encoder) Measure() { e.Stream(nil) }

// Flush flushes what is left and returns the first error of flushing.
func (e *Encoder) Flush() error {
	e.giveAway()
	return e.err
}

func (e *Encoder) giveAway() {
	if e.w != nil && e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.total += int64(len(e.buf))
	e.buf = e.buf[:0]
}

func (e *Encoder) measuring() bool { return e.w == nil && e.total > 0 }

// value separates what comes from what came.
func (e *Encoder) value() {
	if e.comma {
		e.buf = append(e.buf, ',')
	}
	e.comma = true
	if len(e.buf) >= e.limit {
		e.giveAway()
	}
}

func (e *Encoder) begin(bracket byte) {
	e.value()
	e.buf = append(e.buf, bracket)
	e.comma = false
}

func (e *Encoder) end(bracket byte) {
	e.buf = append(e.buf, bracket)
	e.comma = true
}

// BeginStructure begins a structure.
func (e *Encoder) BeginStructure() { e.begin('{') }

// EndStructure ends it.
func (e *Encoder) EndStructure() { e.end('}') }

// BeginList begins a list.
func (e *Encoder) BeginList() { e.begin('[') }

// EndList ends it.
func (e *Encoder) EndList() { e.end(']') }

// Member names the value that follows.
func (e *Encoder) Member(name string) {
	e.Text(name)
	e.buf = append(e.buf, ':')
	e.comma = false
}

// Int writes a number.
func (e *Encoder) Int(v int64) {
	e.value()
	e.buf = strconv.AppendInt(e.buf, v, 10)
}

// Bool writes true or false.
func (e *Encoder) Bool(v bool) {
	e.value()
	e.buf = strconv.AppendBool(e.buf, v)
}

// Time writes seconds with as many decimals as there are, three at most.
func (e *Encoder) Time(ms int64) {
	e.value()
	if ms < 0 {
		e.buf = append(e.buf, '-')
		ms = -ms
	}
	e.buf = strconv.AppendInt(e.buf, ms/1000, 10)
	if ms %= 1000; ms != 0 {
		e.buf = append(e.buf, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
		for e.buf[len(e.buf)-1] == '0' {
			e.buf = e.buf[:len(e.buf)-1]
		}
	}
}

// Blob writes base64. A blob larger than the buffer passes through it in parts.
func (e *Encoder) Blob(b []byte) {
	e.value()
	if e.measuring() {
		e.total += int64(base64.StdEncoding.EncodedLen(len(b))) + 2
		return
	}
	e.buf = append(e.buf, '"')
	for part := e.limit / 4 * 3; len(b) > part && part > 0; b = b[part:] {
		e.buf = base64.StdEncoding.AppendEncode(e.buf, b[:part])
		e.giveAway()
		if e.measuring() {
			e.total += int64(base64.StdEncoding.EncodedLen(len(b)-part)) + 1
			return
		}
	}
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b)
	e.buf = append(e.buf, '"')
}

// Text writes a string. What is not UTF-8 becomes the replacement character.
func (e *Encoder) Text(s string) {
	e.value()
	e.buf = appendText(e.buf, s)
}

func appendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[done:i]...), "\ufffd"...)
				done = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[done:i]...)
		if short := simpleUnescape(c); short != 0 {
			dst = append(dst, '\\', short)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		done = i
	}
	return append(append(dst, s[done:]...), '"')
}

func simpleUnescape(c byte) byte {
	switch c {
	case '"', '\\':
		return c
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	return 0
}
