// Package apitest makes tables of malformed requests from the descriptions of
// operations, each with the answer that it must get. The texts are written down
// here a second time on purpose: a table made by the code under test would agree
// with any fault of it.
package apitest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// Case is a request that must be refused.
type Case struct {
	Operation string
	Name      string // what is wrong with it
	Body      []byte
	Code      string
	Message   string
	Member    string // of the body that holds Message
}

type object = map[string]any

// Cases makes the table of an operation: for each member, at any depth, a value of every
// wrong type and a breach of every constraint; members missing; and all of them at once.
func Cases(op awsapi.Operation) []Case {
	g := generator{op: op.Name}
	root := func(v any) any { return v }
	g.wrongForms("input", op.Input, root)
	g.structure("", op.Input, root)
	g.allMissing(op.Input)
	return g.cases
}

// Valid is the smallest valid input of an operation.
func Valid(op awsapi.Operation) []byte { return encode(sample(op.Input)) }

type generator struct {
	op    string
	cases []Case
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of values made here
	}
	return b
}

// sample is a valid value of s: of a structure, its required members alone.
func sample(s *shape.Shape) any {
	switch s.Kind {
	case shape.Structure:
		o := object{}
		for _, m := range s.Members {
			if m.Required {
				o[m.Name] = sample(m.Shape)
			}
		}
		return o
	case shape.List:
		return []any{sample(s.Element)}
	case shape.Map:
		return object{"key": sample(s.Element)}
	case shape.Blob:
		return []byte("data")
	case shape.Boolean:
		return true
	case shape.Timestamp:
		return 1_700_000_000.5
	case shape.String:
		return text(s)
	}
	if s.Bounds != nil {
		return s.Bounds.Min
	}
	return 24
}

func text(s *shape.Shape) string {
	switch {
	case s.Enum != nil:
		return s.Enum[0]
	case s.Pattern != nil:
		return s.Pattern.Good
	}
	return "example"
}

// structure makes the cases of the members of s. wrap puts a structure into an input.
func (g *generator) structure(path string, s *shape.Shape, wrap func(any) any) {
	for _, m := range s.Members {
		at := join(path, m.Name)
		with := func(v any) any {
			o := sample(s).(object)
			o[m.Name] = v
			return wrap(o)
		}
		g.wrongForms(at, m.Shape, with)
		g.breaches(at, m.Shape, with)
		if m.Required {
			g.invalid(at+" null", with(nil), "Value null at '"+at+"' failed to satisfy constraint: Member must not be null")
			o := sample(s).(object)
			delete(o, m.Name)
			g.invalid(at+" missing", wrap(o), "Value null at '"+at+"' failed to satisfy constraint: Member must not be null")
		}
		g.inside(at, m.Shape, with)
	}
}

func (g *generator) inside(at string, s *shape.Shape, with func(any) any) {
	switch {
	case s.Kind == shape.Structure:
		g.structure(at, s, with)
	case s.Kind == shape.List && s.Element.Kind == shape.Structure:
		for _, before := range []int{0, 2} {
			element := fmt.Sprintf("%s.%d.member", at, before+1)
			g.structure(element, s.Element, func(v any) any {
				var list []any
				for range before {
					list = append(list, sample(s.Element))
				}
				return with(append(list, v))
			})
		}
		g.wrongForms(at+".1.member", s.Element, func(v any) any { return with([]any{v}) })
	case s.Kind == shape.Map:
		g.wrongForms(at+".key", s.Element, func(v any) any { return with(object{"key": v}) })
	}
}

func join(path, name string) string {
	name = string(unicode.ToLower(rune(name[0]))) + name[1:]
	if path == "" {
		return name
	}
	return path + "." + name
}

// forms are values of each form that JSON has.
var forms = []struct {
	name  string
	class string
	value any
}{
	{"string", "class java.lang.String", "not base64, no number"},
	{"number", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber", 1},
	{"boolean", "class java.lang.Boolean", true},
	{"list", "", []any{}},
	{"object", "", object{}},
}

// wrongForms makes a case for each form that s does not take.
func (g *generator) wrongForms(at string, s *shape.Shape, with func(any) any) {
	for _, f := range forms {
		message := mismatch(s.Kind, f.name, f.class)
		if message == "" {
			continue
		}
		g.cases = append(g.cases, Case{
			Operation: g.op, Name: at + " is a " + f.name, Body: encode(with(f.value)),
			Code: awsapi.CodeSerialization, Message: message, Member: "Message",
		})
	}
}

func mismatch(k shape.Kind, form, class string) string {
	takes := map[shape.Kind]string{
		shape.String: "string", shape.Integer: "number", shape.Long: "number", shape.Boolean: "boolean",
		shape.Timestamp: "number", shape.List: "list", shape.Map: "object", shape.Structure: "object",
	}
	switch {
	case takes[k] == form:
		return ""
	case form == "list":
		return "Start of list found where not expected"
	case form == "object":
		return "Start of structure or map found where not expected."
	case k == shape.List:
		return "Expected list or null"
	case k == shape.Map:
		return "Expected map or null"
	case k == shape.Structure:
		return "Expected null"
	case k == shape.Timestamp:
		return class + " can not be converted to milliseconds since epoch"
	case k == shape.Boolean && form == "string":
		return "'NOT BASE64, NO NUMBER' can not be converted to an Boolean"
	case k == shape.Blob && form == "string":
		return "'not base64, no number' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 21"
	case k == shape.Blob:
		return class + " can not be converted to a Blob"
	}
	return class + " can not be converted to an " + k.String()
}

// breaches makes a case for each constraint of s.
func (g *generator) breaches(at string, s *shape.Shape, with func(any) any) {
	fails := func(printed, constraint string) string {
		return fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", printed, at, constraint)
	}
	if s.Pattern != nil {
		g.invalid(at+" does not match", with(s.Pattern.Bad),
			fails(s.Pattern.Bad, "Member must satisfy regular expression pattern: "+s.Pattern.Text))
	}
	if s.Enum != nil {
		g.invalid(at+" is none of the set", with("NEITHER"),
			fails("NEITHER", "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]"))
	}
	if s.Bounds == nil {
		return
	}
	if s.Kind == shape.Integer || s.Kind == shape.Long {
		g.numbers(at, s, with, fails)
		return
	}
	g.lengths(at, s, with, fails)
}

func (g *generator) numbers(at string, s *shape.Shape, with func(any) any, fails func(string, string) string) {
	low := s.Bounds.Min - 1
	g.invalid(at+" too small", with(low), fails(fmt.Sprint(low), fmt.Sprintf("Member must have value greater than or equal to %d", s.Bounds.Min)))
	g.invalid(at+" far too small", with(-1e30), fails(fmt.Sprint(math.MinInt32), fmt.Sprintf("Member must have value greater than or equal to %d", s.Bounds.Min)))
	if s.Bounds.Max == shape.NoMax {
		return
	}
	most := fmt.Sprintf("Member must have value less than or equal to %d", s.Bounds.Max)
	g.invalid(at+" too large", with(s.Bounds.Max+1), fails(fmt.Sprint(s.Bounds.Max+1), most))
	g.invalid(at+" far too large", with(1e30), fails(fmt.Sprint(math.MaxInt32), most))
}

func (g *generator) lengths(at string, s *shape.Shape, with func(any) any, fails func(string, string) string) {
	least := fmt.Sprintf("Member must have length greater than or equal to %d", s.Bounds.Min)
	most := fmt.Sprintf("Member must have length less than or equal to %d", s.Bounds.Max)
	over := int(s.Bounds.Max + 1)
	switch s.Kind {
	case shape.String:
		if s.Bounds.Min > 0 {
			violations := []string{fails("", least)}
			if s.Pattern != nil {
				violations = append(violations, fails("", "Member must satisfy regular expression pattern: "+s.Pattern.Text))
			}
			g.invalid(at+" empty", with(""), violations...)
		}
		g.longText(at, s, over, with, fails, most)
	case shape.Blob:
		g.invalid(at+" too long", with(make([]byte, over)),
			fails(fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", over, over), most))
	case shape.List:
		if s.Bounds.Min > 0 {
			g.invalid(at+" empty", with([]any{}), fails("[]", least))
		}
	case shape.Map:
		if s.Bounds.Min > 0 {
			g.invalid(at+" empty", with(object{}), fails("{}", least))
		}
	}
}

// longText exceeds the length alone: with the characters of a good value where there is a
// pattern, else with characters of three bytes.
func (g *generator) longText(at string, s *shape.Shape, over int, with func(any) any, fails func(string, string) string, most string) {
	filler := "\u20ac"
	long := ""
	if s.Pattern != nil {
		filler, long = "x", s.Pattern.Good
	}
	long += strings.Repeat(filler, over-len(long))
	printed := long
	if const64 := 64 << 10; len(printed) > const64 {
		return // messages are cut there, which has a test of its own
	}
	violations := []string{fails(printed, most)}
	if s.Pattern != nil && !s.Pattern.Match([]byte(long)) {
		violations = append(violations, fails(printed, "Member must satisfy regular expression pattern: "+s.Pattern.Text))
	}
	g.invalid(at+" too long", with(long), violations...)
}

// allMissing makes the case of an empty input.
func (g *generator) allMissing(s *shape.Shape) {
	var violations []string
	for _, m := range s.Members {
		if m.Required {
			violations = append(violations, "Value null at '"+join("", m.Name)+"' failed to satisfy constraint: Member must not be null")
		}
	}
	if len(violations) > 0 {
		g.invalid("everything missing", object{}, violations...)
	}
}

func (g *generator) invalid(name string, input any, violations ...string) {
	plural := "s"
	if len(violations) == 1 {
		plural = ""
	}
	g.cases = append(g.cases, Case{
		Operation: g.op, Name: name, Body: encode(input), Code: awsapi.CodeValidation, Member: "message",
		Message: fmt.Sprintf("%d validation error%s detected: %s", len(violations), plural, strings.Join(violations, "; ")),
	})
}
