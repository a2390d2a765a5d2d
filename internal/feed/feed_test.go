package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a sender that stores at once, or as answer says.
type memory struct {
	records []stream.Record
	answer  func(n int, r stream.Record) Result
	onSend  func(n int)
}

func (m *memory) Send(_ context.Context, r stream.Record, done func(Result)) error {
	m.records = append(m.records, r)
	n := len(m.records)
	if m.onSend != nil {
		m.onSend(n)
	}
	res := Result{Shard: uint32(n % 2), Sequence: stream.Sequence{CreatedSec: 1, Position: stream.Position(n)}}
	if m.answer != nil {
		res = m.answer(n, r)
	}
	done(res)
	return nil
}

func (m *memory) Flush(context.Context) error { return nil }

func (m *memory) texts() (out []string) {
	for _, r := range m.records {
		out = append(out, string(r.Data))
	}
	return out
}

func keyed(t *testing.T, key string) Keyer {
	t.Helper()
	k, err := Fixed(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEveryLineIsARecord(t *testing.T) {
	m := &memory{}
	f := New(Config{Input: strings.NewReader("one\n\ntwo\r\nthree"), Key: keyed(t, "k"), Sender: m, MaxBytes: 100})
	sum, err := f.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one", "", "two\r", "three"}; !slices.Equal(m.texts(), want) {
		t.Errorf("sent %q, want %q", m.texts(), want)
	}
	if sum.Records != 4 || sum.StoredTo != 4 || sum.Bytes != 16 || sum.ReadBytes != 15 {
		t.Errorf("summary %+v", sum)
	}
	if len(sum.Shards) != 2 || sum.Shards[0].Records != 2 || sum.Shards[1].First.Position != 1 || sum.Shards[1].Last.Position != 3 {
		t.Errorf("shards %+v", sum.Shards)
	}
}

func TestLimitIsExact(t *testing.T) {
	for _, c := range []struct{ length, stored int }{{9, 1}, {10, 0}, {11, 0}, {1 << 20, 0}} {
		m := &memory{}
		input := strings.Repeat("x", c.length) + "\nnext\n"
		_, err := New(Config{Input: strings.NewReader(input), Key: keyed(t, "k"), Sender: m, MaxBytes: 10, SkipBad: true}).Run(t.Context())
		if err != nil || len(m.records) != c.stored+1 {
			t.Errorf("line of %d bytes and a key of 1, limit 10: %d records sent, error %v", c.length, len(m.records), err)
		}
	}
}

func TestBadLineStops(t *testing.T) {
	m := &memory{}
	sum, err := New(Config{
		Input: strings.NewReader("a\nb\n" + strings.Repeat("x", 600<<10) + "\nc\n"), Key: keyed(t, "k"), Sender: m, MaxBytes: 512 << 10,
	}).Run(t.Context())
	var bad *LineError
	var long *TooLongError
	if !errors.As(err, &bad) || bad.Number != 3 || !errors.As(err, &long) {
		t.Errorf("got %v", err)
	}
	if sum.Records != 2 || sum.StoredTo != 2 {
		t.Errorf("summary %+v", sum)
	}
}

func TestRefusedRecordStops(t *testing.T) {
	refused := stream.Errorf(stream.CodeNotFound, "gone")
	m := &memory{answer: func(n int, _ stream.Record) Result {
		if n == 3 {
			return Result{Err: refused}
		}
		return Result{}
	}}
	sum, err := New(Config{Input: strings.NewReader(strings.Repeat("x\n", 10_000)), Key: keyed(t, "k"), Sender: m, MaxBytes: 10}).Run(t.Context())
	var bad *LineError
	if !errors.As(err, &bad) || bad.Number != 3 || !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if sum.StoredTo != 2 || sum.Failed != 1 || sum.Unanswered != 0 || sum.Read == 10_000 {
		t.Errorf("summary %+v", sum)
	}
}

// later answers only when it is flushed.
type later struct{ answers []func() }

func (l *later) Send(_ context.Context, _ stream.Record, done func(Result)) error {
	l.answers = append(l.answers, func() { done(Result{}) })
	return nil
}

func (l *later) Flush(context.Context) error {
	for _, a := range slices.Backward(l.answers) {
		a()
	}
	return nil
}

func TestInterruptFinishesWhatIsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	r, w := io.Pipe()
	defer w.Close()
	go func() {
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		cancel(interrupted)
	}()
	sum, err := New(Config{Input: r, Key: keyed(t, "k"), Sender: &later{}, MaxBytes: 100, GraceAfterStop: 1e9}).Run(ctx)
	r.Close() // as the end of the process does
	if !errors.Is(err, interrupted) {
		t.Errorf("got %v", err)
	}
	if sum.StoredTo != sum.Read || sum.Records != sum.Read || sum.Unanswered != 0 {
		t.Errorf("summary %+v", sum)
	}
}

func TestUnansweredAreCounted(t *testing.T) {
	silent := &silent{}
	sum, err := New(Config{Input: strings.NewReader("a\nb\n"), Key: keyed(t, "k"), Sender: silent, MaxBytes: 9}).Run(t.Context())
	if !errors.Is(err, errSilent) || sum.Unanswered != 2 || sum.StoredTo != 0 {
		t.Errorf("got %+v, %v", sum, err)
	}
}

type silent struct{}

var errSilent = errors.New("no answer")

func (silent) Send(context.Context, stream.Record, func(Result)) error { return nil }
func (silent) Flush(context.Context) error                             { return errSilent }

func TestFieldKeys(t *testing.T) {
	const line = `{"user": {"id": 42.50, "full name": "Ada", "a.b": true}, "items": [{"sku": "x1"}, null], "empty": ""}`
	for _, c := range []struct{ path, key, err string }{
		{"$.user.id", "42.50", ""},
		{"$.user['full name']", "Ada", ""},
		{`$["user"]["a.b"]`, "true", ""},
		{"$.items[0].sku", "x1", ""},
		{"$.items[1]", "", "not a text, a number or a boolean"},
		{"$.items[2]", "", "no element 2"},
		{"$.items.sku", "", `no member "sku"`},
		{"$.user", "", "not a text, a number or a boolean"},
		{"$.nobody.id", "", `no member "nobody"`},
		{"$.empty", "", "the partition key is empty"},
	} {
		k, err := Field(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		key, err := k([]byte(line))
		if key != c.key || (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: key %q, error %v; want %q, %q", c.path, key, err, c.key, c.err)
		}
	}
	k, _ := Field("$.user.id")
	if _, err := k([]byte(`{"user": {"id": 1}`)); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("cut JSON: %v", err)
	}
}

func TestBadPaths(t *testing.T) {
	for _, path := range []string{"", "$", "user", ".user", "$user", "$.", "$..a", "$[", "$[]", "$[-1]", "$['a'", "$.a[x]", "$['']"} {
		if _, err := Field(path); err == nil {
			t.Errorf("%q is taken for a path", path)
		}
	}
}

func TestBadFixedKeys(t *testing.T) {
	for _, key := range []string{"", strings.Repeat("é", 257), "a\xff"} {
		if _, err := Fixed(key); err == nil {
			t.Errorf("%q is taken for a key", key)
		}
	}
	if _, err := Fixed(strings.Repeat("é", 256)); err != nil {
		t.Errorf("256 characters: %v", err)
	}
}

func FuzzField(f *testing.F) {
	f.Add("$.a.b", `{"a":{"b":"c"}}`)
	f.Add("$['a'][3]", `{"a":[1,2,3,4]}`)
	f.Fuzz(func(t *testing.T, path, line string) {
		k, err := Field(path)
		if err != nil {
			return
		}
		if key, err := k([]byte(line)); err == nil && checkKey(key) != nil {
			t.Errorf("%q in %q gives the bad key %q", path, line, key)
		}
	})
}
