package shape

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxListed is how many violations a message lists; all are counted.
const maxListed = 10

// Validate checks v, decoded as s, against all constraints. It returns the
// message of the service's ValidationException, or "" if there is no violation.
// namespace is the Java package that the service's messages name.
func Validate(s *Shape, v Value, namespace string) string {
	c := checker{namespace: namespace}
	c.structure(s, v, nil)
	if c.count == 0 {
		return ""
	}
	return Detected(c.count, c.listed...)
}

// Detected is the message of count violations.
func Detected(count int, listed ...string) string {
	plural := "s"
	if count == 1 {
		plural = ""
	}
	return fmt.Sprintf("%d validation error%s detected: %s", count, plural, strings.Join(listed, "; "))
}

// Violation is one element of Detected. value is printed as it is: quoted by
// the caller, or null.
func Violation(value, path, constraint string) string {
	return fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, path, constraint)
}

// BlobText is how the service prints a blob of n bytes.
func BlobText(n int) string {
	return fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", n, n)
}

// Bounds and patterns in the service's words.
func notNull() string { return "Member must not be null" }

func TooLong(limit int64) string {
	return fmt.Sprintf("Member must have length less than or equal to %d", limit)
}

func tooShort(limit int64) string {
	return fmt.Sprintf("Member must have length greater than or equal to %d", limit)
}

func tooLarge(limit int64) string {
	return fmt.Sprintf("Member must have value less than or equal to %d", limit)
}

func tooSmall(limit int64) string {
	return fmt.Sprintf("Member must have value greater than or equal to %d", limit)
}
func mustMatch(p *Pattern) string { return "Member must satisfy regular expression pattern: " + p.Text }
func mustBeOf(enum []string) string {
	return fmt.Sprintf("Member must satisfy enum value set: [%s]", strings.Join(enum, ", "))
}

type checker struct {
	namespace string
	count     int
	listed    []string
}

// place is where a value is; it becomes text only if something is wrong there.
type place struct {
	in    *place
	name  string // of a member
	index int    // from 1, of an element
}

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.name == "":
		return p.in.String() + "." + strconv.Itoa(p.index) + ".member"
	case p.in == nil:
		return lowerFirst(p.name)
	}
	return p.in.String() + "." + lowerFirst(p.name)
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

func (c *checker) violate(s *Shape, v Value, p *place, constraint string) {
	c.count++
	if len(c.listed) < maxListed {
		text := "null"
		if v.Set {
			text = "'" + Clip(c.text(s, v)) + "'"
		}
		c.listed = append(c.listed, Violation(text, p.String(), constraint))
	}
}

func (c *checker) structure(s *Shape, v Value, p *place) {
	view := StructOf(s, v)
	for i := range s.Members {
		m := &s.Members[i]
		at := place{in: p, name: m.Name}
		c.member(m.Shape, view.At(i), &at, m.Required)
	}
}

func (c *checker) member(s *Shape, v Value, p *place, required bool) {
	if !v.Set {
		if required {
			c.violate(s, v, p, notNull())
		}
		return
	}
	if s.violated(v) {
		for _, constraint := range s.violations(v) {
			c.violate(s, v, p, constraint)
		}
	}
	switch s.Kind {
	case Structure:
		c.structure(s, v, p)
	case List:
		c.list(s, v, p)
	case Map:
		c.entries(s, v, p)
	}
}

func (c *checker) list(s *Shape, v Value, p *place) {
	if s.Element.Kind != Structure {
		if slices.ContainsFunc(v.Items, s.Element.violated) {
			c.violate(s, v, p, "Member must satisfy constraint: ["+strings.Join(s.Element.constraints(), ", ")+"]")
		}
		return
	}
	for i, element := range v.Items {
		at := place{in: p, index: i + 1}
		c.member(s.Element, element, &at, true)
	}
}

func (c *checker) entries(s *Shape, v Value, p *place) {
	var badKey, badValue bool
	for i := 0; i+1 < len(v.Items); i += 2 {
		badKey = badKey || s.Key.violated(v.Items[i])
		badValue = badValue || s.Element.violated(v.Items[i+1])
	}
	if badKey {
		c.violate(s, v, p, "Map keys must satisfy constraint: ["+strings.Join(s.Key.constraints(), ", ")+"]")
	}
	if badValue {
		c.violate(s, v, p, "Map value must satisfy constraint: ["+strings.Join(s.Element.constraints(), ", ")+"]")
	}
}

// violated is the quick form of violations.
func (s *Shape) violated(v Value) bool {
	if !v.Set {
		return true // an element of a list or map
	}
	if b := s.Bounds; b != nil {
		if n := s.measure(v); n < b.Min || n > b.Max {
			return true
		}
	}
	return s.Pattern != nil && !s.Pattern.Match(v.Bytes) || s.Enum != nil && !slices.Contains(s.Enum, v.View())
}

// maxMatched is the longest text that is held against a pattern. What is longer
// is too long for every bound, and is told so.
const maxMatched = 64 << 10

// violations are the constraints that a present value breaks.
func (s *Shape) violations(v Value) []string {
	var out []string
	if b := s.Bounds; b != nil {
		low, high := tooShort, TooLong
		if s.Kind == Integer || s.Kind == Long {
			low, high = tooSmall, tooLarge
		}
		switch n := s.measure(v); {
		case n < b.Min:
			out = append(out, low(b.Min))
		case n > b.Max:
			out = append(out, high(b.Max))
		}
	}
	if s.Pattern != nil && len(v.Bytes) <= maxMatched && !s.Pattern.Match(v.Bytes) {
		out = append(out, mustMatch(s.Pattern))
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v.View()) {
		out = append(out, mustBeOf(s.Enum))
	}
	return out
}

// measure is what Bounds limit.
func (s *Shape) measure(v Value) int64 {
	switch s.Kind {
	case String:
		// Counting characters matters only where bytes do not decide.
		if n := int64(len(v.Bytes)); n <= s.Bounds.Max && n/utf8.UTFMax >= s.Bounds.Min {
			return n
		}
		return int64(utf8.RuneCount(v.Bytes))
	case Blob:
		return int64(len(v.Bytes))
	}
	return v.Num
}

// constraints are all that a list's or map's elements must satisfy.
func (s *Shape) constraints() []string {
	var out []string
	if b := s.Bounds; b != nil {
		if b.Max != NoMax {
			out = append(out, TooLong(b.Max))
		}
		out = append(out, tooShort(b.Min))
	}
	if s.Pattern != nil {
		out = append(out, mustMatch(s.Pattern))
	}
	if s.Enum != nil {
		out = append(out, mustBeOf(s.Enum))
	}
	return out
}

// text is how the service prints v.
func (c *checker) text(s *Shape, v Value) string {
	switch s.Kind {
	case String:
		return string(v.Bytes)
	case Blob:
		return BlobText(len(v.Bytes))
	case Boolean:
		return strconv.FormatBool(v.Num != 0)
	case List:
		return "[" + c.join(v.Items, 1, func(i int) string { return c.text(s.Element, v.Items[i]) }) + "]"
	case Map:
		return "{" + c.join(v.Items, 2, func(i int) string {
			return string(v.Items[i].Bytes) + "=" + c.text(s.Element, v.Items[i+1])
		}) + "}"
	case Structure:
		return c.object(s, v)
	}
	return strconv.FormatInt(v.Num, 10)
}

func (c *checker) join(items []Value, step int, text func(int) string) string {
	var b strings.Builder
	for i := 0; i+step <= len(items) && b.Len() <= maxEcho; i += step {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text(i))
	}
	return b.String()
}

// object imitates the identity hash that the service prints for an object.
func (c *checker) object(s *Shape, v Value) string {
	h := fnv.New32a()
	for _, item := range v.Items {
		h.Write(item.Bytes[:min(len(item.Bytes), 64)])
	}
	return fmt.Sprintf("%s.%s@%x", c.namespace, s.Name, h.Sum32())
}
