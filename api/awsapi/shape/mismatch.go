package shape

import (
	"fmt"
	"strings"
)

// Got is the form in which a value arrived.
type Got uint8

// The forms of values on the wire.
const (
	GotString Got = iota
	GotNumber
	GotBoolean
	GotList
	GotMap // or a structure: the wire does not tell them apart
	GotBlob
)

var javaClass = map[Got]string{
	GotString:  "class java.lang.String",
	GotNumber:  "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
	GotBoolean: "class java.lang.Boolean",
	GotBlob:    "class java.nio.HeapByteBuffer",
}

// Mismatch is the service's message for a value whose form does not fit its
// kind, "" if it fits. The words are the service's own.
func Mismatch(want Kind, got Got) string {
	const (
		list      = "Start of list found where not expected"
		structure = "Start of structure or map found where not expected."
	)
	switch {
	case want == List && got == GotList, (want == Map || want == Structure) && got == GotMap:
		return ""
	case got == GotList:
		return list
	case got == GotMap:
		return structure
	case want == List:
		return "Expected list or null"
	case want == Map:
		return "Expected map or null"
	case want == Structure:
		return "Expected null"
	}
	return scalarMismatch(want, got)
}

func scalarMismatch(want Kind, got Got) string {
	fits := map[Kind]Got{
		String: GotString, Blob: GotString, Integer: GotNumber, Long: GotNumber,
		Boolean: GotBoolean, Timestamp: GotNumber,
	}
	switch {
	case fits[want] == got, want == Boolean && got == GotString, want == Blob && got == GotBlob:
		return ""
	case want == Timestamp:
		return javaClass[got] + " can not be converted to milliseconds since epoch"
	case want == Blob:
		return javaClass[got] + " can not be converted to a Blob"
	}
	return fmt.Sprintf("%s can not be converted to an %s", javaClass[got], want)
}

// BooleanText converts a string where a boolean is expected.
func BooleanText(text string) (value bool, mismatch string) {
	up := strings.ToUpper(text)
	switch up {
	case "TRUE", "YES", "1":
		return true, ""
	case "FALSE", "NO", "0":
		return false, ""
	}
	return false, fmt.Sprintf("'%s' can not be converted to an Boolean", Clip(up))
}

// maxEcho bounds how much of a bad value an error message repeats.
const maxEcho = 64 << 10

// Clip is s, cut where an error message must not grow further.
func Clip(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "..."
}
