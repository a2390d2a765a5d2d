package shape

import (
	"fmt"
	"unsafe"
)

// Value is one decoded value. The zero Value is an absent one. Its bytes alias
// the buffer it was decoded from.
type Value struct {
	Bytes []byte  // string, blob
	Num   int64   // integer, long, boolean (0, 1), timestamp; how many elements the sender sent of a list or map
	Items []Value // list: elements. Structure: one for each member. Map: key, value, key, value
	Set   bool
}

// maxValues bounds the memory of one request's values. The largest valid
// request, 500 records, has about 2,000.
const maxValues = 1 << 15

// Arena holds the values of one request. It is reused by the next.
type Arena struct {
	slab []Value
	used int // of all slabs
}

// Reset forgets all values.
func (a *Arena) Reset() {
	clear(a.slab)
	a.slab, a.used = a.slab[:0], 0
}

// New returns n absent values, or false if the request has too many.
func (a *Arena) New(n int) ([]Value, bool) {
	a.used += n
	if a.used > maxValues {
		return nil, false
	}
	if len(a.slab)+n > cap(a.slab) {
		a.slab = make([]Value, 0, max(64, n, min(2*cap(a.slab), maxValues)))
	}
	at := len(a.slab)
	a.slab = a.slab[: at+n : cap(a.slab)]
	return a.slab[at : at+n : at+n], true
}

// Gather collects the elements of a list or the entries of a map.
type Gather struct {
	items []Value
	keep  int
	count int64
}

// NewGather begins a list or map of shape s.
func NewGather(s *Shape) Gather {
	g := Gather{keep: s.keep()}
	if s.Kind == Map {
		g.keep *= 2
	}
	return g
}

// Full tells that further elements are counted and dropped.
func (g *Gather) Full() bool { return len(g.items) >= g.keep }

// Add adds an element of a list.
func (g *Gather) Add(v Value) {
	g.count++
	if !g.Full() {
		g.items = append(g.items, v)
	}
}

// AddEntry adds an entry of a map.
func (g *Gather) AddEntry(key, v Value) {
	g.count++
	if !g.Full() {
		g.items = append(g.items, key, v)
	}
}

// Value is the list or map.
func (g *Gather) Value() Value { return Value{Items: g.items, Num: g.count, Set: true} }

// Struct is a structure to read members from. Naming a member that its shape
// does not have is a fault of the program, and panics.
type Struct struct {
	Shape *Shape
	items []Value
}

// StructOf views v, which was decoded as s. An absent v has no members set.
func StructOf(s *Shape, v Value) Struct { return Struct{Shape: s, items: v.Items} }

// Index is the place of a member for At: worth keeping where there are many structures.
func (s Struct) Index(name string) int {
	for i := range s.Shape.Members {
		if s.Shape.Members[i].Name == name {
			return i
		}
	}
	panic(fmt.Sprintf("shape: %s has no member %s", s.Shape.Name, name))
}

// At is the member at a place given by Index.
func (s Struct) At(i int) Value {
	if i >= len(s.items) {
		return Value{}
	}
	return s.items[i]
}

// Get is the member called name.
func (s Struct) Get(name string) Value { return s.At(s.Index(name)) }

// Has tells whether the member was sent and is not null.
func (s Struct) Has(name string) bool { return s.Get(name).Set }

// Text is a copy of a string member, "" if absent.
func (s Struct) Text(name string) string { return string(s.Get(name).Bytes) }

// Int is a number, or the milliseconds of a timestamp; absent if it was not sent.
func (s Struct) Int(name string, absent int64) int64 {
	if v := s.Get(name); v.Set {
		return v.Num
	}
	return absent
}

// Bool is a boolean member, false if absent.
func (s Struct) Bool(name string) bool { return s.Get(name).Num != 0 }

// Inner is a structure member.
func (s Struct) Inner(name string) Struct {
	i := s.Index(name)
	return StructOf(s.Shape.Members[i].Shape, s.At(i))
}

// Len is the number of elements kept of a list member.
func (s Struct) Len(name string) int { return len(s.Get(name).Items) }

// List iterates over the structures of a list member.
func (s Struct) List(name string) func(yield func(int, Struct) bool) {
	i := s.Index(name)
	element := s.Shape.Members[i].Shape.Element
	return func(yield func(int, Struct) bool) {
		for at, v := range s.At(i).Items {
			if !yield(at, StructOf(element, v)) {
				return
			}
		}
	}
}

// View is v's text without a copy: it lives as long as the buffer that v was
// decoded from is left alone.
func (v Value) View() string { return unsafe.String(unsafe.SliceData(v.Bytes), len(v.Bytes)) }
