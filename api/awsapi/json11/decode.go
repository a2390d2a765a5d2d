// Package json11 reads and writes AWS JSON 1.1 bodies as shapes describe them.
//
// It is made for large requests of a hostile world: one pass over the body,
// strings and blobs decoded where they lie, no recursion deeper than the
// shape, and memory bounded by shape.Arena.
package json11

import (
	"errors"
	"unicode/utf8"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// ErrSyntax tells that a body is not JSON, or is JSON beyond all reason: nested
// deeper than 1,000 or of more values than any request has.
var ErrSyntax = errors.New("json: malformed body")

// maxDepth is how deep values may be nested that no shape describes.
const maxDepth = 1000

// Decode reads body, one JSON value, as s describes it. The result aliases
// body, which Decode overwrites. Unknown members are skipped, null is absent.
//
// mismatch is the message for the first value whose type is wrong, "" if there
// is none; the result is then useless. Syntax is checked to the end all the same. A
// nil s checks syntax alone.
func Decode(body []byte, s *shape.Shape, a *shape.Arena) (v shape.Value, mismatch string, err error) {
	p := parser{b: body, arena: a}
	p.space()
	if s == nil {
		err = p.skip()
	} else {
		v, err = p.value(s)
	}
	if err != nil {
		return shape.Value{}, "", err
	}
	if p.space(); p.i != len(p.b) {
		return shape.Value{}, "", ErrSyntax
	}
	return v, p.mismatch, nil
}

type parser struct {
	b        []byte
	i        int // next byte
	arena    *shape.Arena
	mismatch string
}

func (p *parser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\n', '\r', '\t':
			p.i++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

// take consumes c if it is next.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.i++
	return true
}

func (p *parser) literal(text string) bool {
	if len(p.b)-p.i < len(text) || string(p.b[p.i:p.i+len(text)]) != text {
		return false
	}
	p.i += len(text)
	return true
}

// fits notes the mismatch, if it is the first, of a value that arrived as got.
func (p *parser) fits(s *shape.Shape, got shape.Got) bool {
	message := shape.Mismatch(s.Kind, got)
	p.note(message)
	return message == ""
}

func (p *parser) note(message string) {
	if p.mismatch == "" {
		p.mismatch = message
	}
}

// value reads a value of shape s. Its recursion is as deep as s.
func (p *parser) value(s *shape.Shape) (shape.Value, error) {
	switch c := p.peek(); c {
	case '{':
		if !p.fits(s, shape.GotMap) {
			return shape.Value{}, p.skip()
		}
		if s.Kind == shape.Map {
			return p.entries(s)
		}
		return p.structure(s)
	case '[':
		if !p.fits(s, shape.GotList) {
			return shape.Value{}, p.skip()
		}
		return p.list(s)
	case '"':
		return p.text(s)
	case 't', 'f':
		return p.boolean(s)
	case 'n':
		if !p.literal("null") {
			return shape.Value{}, ErrSyntax
		}
		return shape.Value{}, nil
	default:
		return p.number(s)
	}
}

func (p *parser) structure(s *shape.Shape) (shape.Value, error) {
	items, ok := p.arena.New(len(s.Members))
	if !ok {
		return shape.Value{}, ErrSyntax
	}
	err := p.object(func(name []byte) error {
		i := s.Index(name)
		if i < 0 {
			return p.skip()
		}
		v, err := p.value(s.Members[i].Shape)
		items[i] = v
		return err
	})
	return shape.Value{Items: items, Set: true}, err
}

func (p *parser) entries(s *shape.Shape) (shape.Value, error) {
	g := shape.NewGather(s)
	err := p.object(func(name []byte) error {
		v, err := p.value(s.Element)
		g.AddEntry(shape.Value{Bytes: name, Set: true}, v)
		return err
	})
	return g.Value(), err
}

// object reads an object and calls member with each name, at its value.
func (p *parser) object(member func(name []byte) error) error {
	p.i++ // {
	if p.space(); p.take('}') {
		return nil
	}
	for {
		if p.peek() != '"' {
			return ErrSyntax
		}
		name, err := p.string()
		if err != nil {
			return err
		}
		if p.space(); !p.take(':') {
			return ErrSyntax
		}
		p.space()
		if err := member(name); err != nil {
			return err
		}
		if p.space(); p.take('}') {
			return nil
		}
		if !p.take(',') {
			return ErrSyntax
		}
		p.space()
	}
}

func (p *parser) list(s *shape.Shape) (shape.Value, error) {
	g := shape.NewGather(s)
	p.i++ // [
	if p.space(); p.take(']') {
		return g.Value(), nil
	}
	for {
		v, err := p.element(s.Element, g.Full())
		if err != nil {
			return shape.Value{}, err
		}
		g.Add(v)
		if p.space(); p.take(']') {
			return g.Value(), nil
		}
		if !p.take(',') {
			return shape.Value{}, ErrSyntax
		}
		p.space()
	}
}

// element reads an element of a list; one beyond what is kept is only skipped.
func (p *parser) element(s *shape.Shape, surplus bool) (shape.Value, error) {
	if surplus {
		return shape.Value{}, p.skip()
	}
	return p.value(s)
}

func (p *parser) boolean(s *shape.Shape) (shape.Value, error) {
	v := shape.Value{Set: true}
	switch {
	case p.literal("true"):
		v.Num = 1
	case !p.literal("false"):
		return shape.Value{}, ErrSyntax
	}
	p.fits(s, shape.GotBoolean)
	return v, nil
}

func (p *parser) text(s *shape.Shape) (shape.Value, error) {
	text, err := p.string()
	if err != nil || !p.fits(s, shape.GotString) {
		return shape.Value{}, err
	}
	switch s.Kind {
	case shape.Blob:
		blob, message := decodeBase64(text)
		p.note(message)
		return shape.Value{Bytes: blob, Set: true}, nil
	case shape.Boolean:
		b, message := shape.BooleanText(string(text))
		p.note(message)
		v := shape.Value{Set: true}
		if b {
			v.Num = 1
		}
		return v, nil
	}
	return shape.Value{Bytes: text, Set: true}, nil
}

// string reads a string and returns its text, unescaped where it lies.
func (p *parser) string() ([]byte, error) {
	start := p.i + 1
	end, escaped, plain := scanString(p.b, start)
	if end < 0 {
		return nil, ErrSyntax
	}
	p.i = end + 1
	text := p.b[start:end:end]
	if !plain && !utf8.Valid(text) {
		return nil, ErrSyntax
	}
	if !escaped {
		return text, nil
	}
	return unescape(text)
}
