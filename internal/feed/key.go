package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runnel-io/runnel/stream"
)

// A Keyer finds the partition key of a line. It is called by one goroutine.
type Keyer func(line []byte) (string, error)

// Fixed gives every line the same key, so that all go to one shard, in order.
func Fixed(key string) (Keyer, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return func([]byte) (string, error) { return key, nil }, nil
}

// Random gives every line a key of its own, which spreads them evenly.
func Random() Keyer {
	return func([]byte) (string, error) { return strconv.FormatUint(rand.Uint64(), 36), nil }
}

// Field takes the key from each line, which must be JSON, at a path like
// $.user.id, $['user id'] or $.items[0].sku. A text is taken as it is,
// a number and a boolean as they are written.
func Field(path string) (Keyer, error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	return func(line []byte) (string, error) {
		key, err := find(line, steps)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if err := checkKey(key); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return key, nil
	}, nil
}

func checkKey(key string) error {
	switch n := utf8.RuneCountInString(key); {
	case n == 0:
		return errors.New("the partition key is empty")
	case n > stream.MaxPartitionKeyRunes:
		return fmt.Errorf("the partition key has %d characters; at most %d are allowed", n, stream.MaxPartitionKeyRunes)
	case !utf8.ValidString(key):
		return errors.New("the partition key is not valid UTF-8")
	}
	return nil
}

// step goes to a member of an object, or to an element of an array.
type step struct {
	name  string
	index int // -1: by name
}

func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprintf("element %d", s.index)
	}
	return fmt.Sprintf("member %q", s.name)
}

func parsePath(path string) ([]step, error) {
	fault := func() error {
		return fmt.Errorf("%q is not a path: write for example $.user.id, $['user id'] or $.items[0].sku", path)
	}
	rest, ok := strings.CutPrefix(path, "$")
	if !ok || rest == "" {
		return nil, fault()
	}
	var steps []step
	for rest != "" {
		var s step
		switch {
		case rest[0] == '.':
			s, rest = member(rest[1:])
		case rest[0] == '[':
			s, rest, ok = subscript(rest[1:])
		default:
			ok = false
		}
		if !ok || (s.index < 0 && s.name == "") {
			return nil, fault()
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func member(rest string) (step, string) {
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	return step{name: rest[:end], index: -1}, rest[end:]
}

// subscript parses what follows an opening bracket: a quoted name or a number.
func subscript(rest string) (step, string, bool) {
	if rest != "" && (rest[0] == '\'' || rest[0] == '"') {
		name, after, ok := strings.Cut(rest[1:], rest[:1]+"]")
		return step{name: name, index: -1}, after, ok
	}
	digits, after, ok := strings.Cut(rest, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	return step{index: int(n)}, after, ok && err == nil
}

// find follows the steps, decoding at each level only what it needs.
func find(line []byte, steps []step) (string, error) {
	if !json.Valid(line) {
		return "", errors.New("the line is not JSON")
	}
	value := json.RawMessage(line)
	for _, s := range steps {
		var ok bool
		if value, ok = s.follow(value); !ok {
			return "", fmt.Errorf("the line has no %s there", s)
		}
	}
	return scalar(value)
}

func (s step) follow(value json.RawMessage) (json.RawMessage, bool) {
	if s.index < 0 {
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil {
			return nil, false
		}
		v, ok := object[s.name]
		return v, ok
	}
	var array []json.RawMessage
	if json.Unmarshal(value, &array) != nil || s.index >= len(array) {
		return nil, false
	}
	return array[s.index], true
}

func scalar(value json.RawMessage) (string, error) {
	value = bytes.TrimSpace(value)
	switch {
	case value[0] == '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return "", err
		}
		return text, nil
	case value[0] == '{', value[0] == '[', value[0] == 'n':
		return "", errors.New("the value is not a text, a number or a boolean")
	}
	return string(value), nil
}
