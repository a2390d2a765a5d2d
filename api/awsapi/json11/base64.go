package json11

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// Base64 is decoded where it lies: a decoded block is never longer than what it
// came from. For each of the four places in a block of four characters there is a
// table from character to the bits it stands for; bad sets a bit that no good
// character has.
const bad = 1 << 31

var base64Tables = makeBase64Tables()

func makeBase64Tables() (t [4][256]uint32) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for place := range t {
		for c := range t[place] {
			t[place][c] = bad
		}
		for value, c := range []byte(alphabet) {
			t[place][c] = uint32(value) << (18 - 6*place)
		}
	}
	return t
}

// decodeBase64 decodes text in its place. On failure it returns the service's
// message about it.
func decodeBase64(text []byte) (blob []byte, mismatch string) {
	if len(text)%4 != 0 {
		return nil, blobMismatch(text, fmt.Sprintf("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text)))
	}
	n, i := decodeBlocks(text)
	if i == len(text) {
		return text[:n:n], ""
	}
	if i+4 == len(text) {
		if tail := decodeLast(text[n:], text[i:]); tail > 0 {
			n += tail
			return text[:n:n], ""
		}
	}
	// The blocks before i were good, so encoding them again gives back the text.
	original := base64.StdEncoding.AppendEncode(nil, text[:n])
	original = append(original, text[i:]...)
	return nil, blobMismatch(original, base64Fault(original))
}

// decodeBlocks decodes blocks from the start until one does not have four good
// characters. It returns how many bytes it wrote and how many it read.
func decodeBlocks(text []byte) (n, i int) {
	t := &base64Tables
	for ; len(text)-i >= 8; i, n = i+8, n+6 {
		b := text[i : i+8 : i+8]
		high := t[0][b[0]] | t[1][b[1]] | t[2][b[2]] | t[3][b[3]]
		low := t[0][b[4]] | t[1][b[5]] | t[2][b[6]] | t[3][b[7]]
		if (high|low)&bad != 0 {
			break
		}
		// Two bytes too many are written, over characters already read.
		binary.BigEndian.PutUint64(text[n:], uint64(high)<<40|uint64(low)<<16)
	}
	for ; len(text)-i >= 4; i, n = i+4, n+3 {
		b := text[i : i+4 : i+4]
		w := t[0][b[0]] | t[1][b[1]] | t[2][b[2]] | t[3][b[3]]
		if w&bad != 0 {
			break
		}
		text[n], text[n+1], text[n+2] = byte(w>>16), byte(w>>8), byte(w)
	}
	return n, i
}

// decodeLast decodes a block with padding; 0 tells that it is not one, or has bits
// set that stand for nothing.
func decodeLast(dst, block []byte) int {
	t := &base64Tables
	if block[3] != '=' {
		return 0
	}
	w := t[0][block[0]] | t[1][block[1]]
	if block[2] == '=' {
		if w&bad != 0 || w&0xffff != 0 {
			return 0
		}
		dst[0] = byte(w >> 16)
		return 1
	}
	w |= t[2][block[2]]
	if w&bad != 0 || w&0xff != 0 {
		return 0
	}
	dst[0], dst[1] = byte(w>>16), byte(w>>8)
	return 2
}

func blobMismatch(text []byte, fault string) string {
	return fmt.Sprintf("'%s' can not be converted to a Blob: %s", shape.Clip(string(text)), fault)
}

// base64Fault says what is wrong with text, a multiple of four long.
func base64Fault(text []byte) string {
	for i, c := range text {
		good := base64Tables[0][c]&bad == 0 || c == '=' && (i+1 == len(text) || text[i+1] == '=')
		if !good {
			r, _ := utf8.DecodeRune(text[i:])
			return fmt.Sprintf("Invalid Base64 character: '%c'", r)
		}
	}
	return "Invalid last non-pad Base64 character dectected" // spelt as the service spells it
}
