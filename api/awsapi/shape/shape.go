// Package shape describes what the operations of an AWS service take and
// answer: members, their types, and the constraints of the service's model.
// One description drives the decoders, the validation, the documentation and
// the tables of test cases.
//
// It knows no encoding, no HTTP and no operation.
package shape

import (
	"math"
	"regexp"
)

// Kind is the type of a value.
type Kind uint8

// The kinds of values.
const (
	String Kind = iota + 1
	Blob
	Integer // 32 bits
	Long    // 64 bits
	Boolean
	Timestamp // milliseconds since 1970
	List
	Map // of strings to Element
	Structure
)

var kindNames = [...]string{"", "String", "Blob", "Integer", "Long", "Boolean", "Timestamp", "List", "Map", "Structure"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Bounds limit the value of a number, and the length of everything else: the
// characters of a string, the bytes of a blob, the elements of a list or map.
type Bounds struct{ Min, Max int64 }

// NoMax is the maximum of what is only bounded below.
const NoMax = math.MaxInt64

// Between are the bounds min and max, inclusive.
func Between(low, high int64) *Bounds { return &Bounds{low, high} }

// AtLeast is the bound min alone.
func AtLeast(low int64) *Bounds { return &Bounds{low, NoMax} }

// Pattern is a regular expression that must match a whole string.
type Pattern struct {
	Text  string            // as error messages print it
	Match func([]byte) bool // does it match the whole of it?
	Good  string            // an example
	Bad   string            // one that does not match
}

// Regexp is the pattern text, matched by a regular expression.
func Regexp(text, good, bad string) *Pattern {
	re := regexp.MustCompile(`^(?:` + text + `)$`)
	return &Pattern{Text: text, Match: re.Match, Good: good, Bad: bad}
}

// Shape is the type of a value and what the model demands of it. Shapes are
// never changed once built, so that all requests share them.
type Shape struct {
	Kind    Kind
	Name    string // of a structure: its name in the service's model
	Bounds  *Bounds
	Pattern *Pattern
	Enum    []string

	Members []Member // of a structure
	Element *Shape   // of a list; of the values of a map
	Key     *Shape   // of the keys of a map
}

// Member is a named part of a structure.
type Member struct {
	Name     string
	Shape    *Shape
	Required bool
	Doc      string // half a sentence for the documentation
}

// Index is the place of the member called name, or -1.
func (s *Shape) Index(name []byte) int {
	for i := range s.Members {
		if s.Members[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// keep is how many elements of a list or entries of a map are worth decoding:
// one more than allowed, so that the excess is seen.
func (s *Shape) keep() int {
	const unbounded = 1000
	if s.Bounds == nil || s.Bounds.Max > unbounded {
		return unbounded
	}
	return int(s.Bounds.Max) + 1
}
