package json11

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// scanString finds the quote that ends the string which begins at start, -1 if
// there is none or a control character comes before it. It tells whether there are
// escapes, and whether all is plain ASCII.
//
// Blobs are most of a busy server's input, so eight bytes are looked at a time.
func scanString(b []byte, start int) (end int, escaped, plain bool) {
	plain = true
	i := start
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if special(w) {
				break
			}
			i += 8
		}
		stop := min(i+8, len(b))
		for ; i < stop; i++ {
			switch c := b[i]; {
			case c == '"':
				return i, escaped, plain
			case c == '\\':
				escaped = true
				i++ // whatever follows is checked by unescape
				if i < len(b) && b[i] < 0x20 {
					return -1, false, false
				}
				if i < len(b) && b[i] >= utf8.RuneSelf {
					plain = false
				}
			case c < 0x20:
				return -1, false, false
			case c >= utf8.RuneSelf:
				plain = false
			}
		}
		if i >= len(b) {
			return -1, false, false
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special tells whether one of eight bytes is a quote, a backslash, a control
// character or not ASCII. It may err on the side of true.
func special(w uint64) bool {
	quote := w ^ (ones * '"')
	slash := w ^ (ones * '\\')
	return ((quote-ones)&^quote|(slash-ones)&^slash|(w-ones*0x20)|w)&highs != 0
}

// unescape resolves the escapes of text, which is valid UTF-8, in its place: no
// escape is shorter than what it stands for.
func unescape(text []byte) ([]byte, error) {
	n := bytes.IndexByte(text, '\\')
	for i := n; i < len(text); {
		if text[i] != '\\' {
			text[n] = text[i]
			n, i = n+1, i+1
			continue
		}
		if i+1 == len(text) {
			return nil, ErrSyntax
		}
		if c := text[i+1]; c != 'u' {
			plain := simpleEscape(c)
			if plain == 0 {
				return nil, ErrSyntax
			}
			text[n] = plain
			n, i = n+1, i+2
			continue
		}
		r, used := unicodeEscape(text[i:])
		if used == 0 {
			return nil, ErrSyntax
		}
		i += used
		n += utf8.EncodeRune(text[n:n+utf8.UTFMax], r)
	}
	return text[:n:n], nil
}

func simpleEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// unicodeEscape reads a \u escape, or two that are a surrogate pair. A lone
// surrogate is the replacement character.
func unicodeEscape(b []byte) (r rune, used int) {
	first, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if second, ok := hex4(b[6:]); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, 12
			}
		}
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
