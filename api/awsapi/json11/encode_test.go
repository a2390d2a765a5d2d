package json11

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

func TestEncode(t *testing.T) {
	e := NewEncoder(nil, 1<<10)
	e.Encode(func(o shape.Out) {
		o.Text("Name", "a\"b\\c\n\x01é\xff")
		o.Int("Count", -5)
		o.Bool("Flag", true)
		o.List("Empty", func(shape.Out) {})
		o.Texts("Names", "x", "y")
		o.List("Items", func(o shape.Out) {
			o.Item(func(o shape.Out) { o.Blob("Data", []byte("hello")) })
			o.Item(func(shape.Out) {})
		})
		o.Struct("Inner", func(o shape.Out) { o.Text("A", "") })
	})
	got, whole := e.Whole()
	want := `{"Name":"a\"b\\c\n\u0001é` + "\ufffd" + `","Count":-5,"Flag":true,"Empty":[],"Names":["x","y"],"Items":[{"Data":"aGVsbG8="},{}],"Inner":{"A":""}}`
	if string(got) != want || !whole || e.Len() != int64(len(want)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTimes(t *testing.T) {
	for ms, want := range map[int64]string{
		0: `{"T":0}`, 1700000000123: `{"T":1700000000.123}`, 1700000000100: `{"T":1700000000.1}`, 1700000000020: `{"T":1700000000.02}`,
		1700000000000: `{"T":1700000000}`, -1500: `{"T":-1.5}`,
	} {
		e := NewEncoder(nil, 100)
		e.Encode(func(o shape.Out) { o.Time("T", ms) })
		if got, _ := e.Whole(); string(got) != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
}

// TestStreamed checks that an answer too long for the buffer is measured
// exactly and then sent in full.
func TestStreamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.String(), 0, 20).Draw(t, "texts")
		blobs := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 400), 0, 20).Draw(t, "blobs")
		limit := rapid.IntRange(8, 2000).Draw(t, "limit")
		reply := func(o shape.Out) {
			o.List("Texts", func(o shape.Out) {
				for i, s := range texts {
					o.Encoder.Text(s)
					o.Encoder.Int(int64(i))
				}
			})
			o.List("Blobs", func(o shape.Out) {
				for _, b := range blobs {
					o.Encoder.Blob(b)
				}
			})
		}
		e := NewEncoder(nil, limit)
		e.Encode(reply)
		length := e.Len()
		got, whole := e.Whole()
		if !whole {
			var out bytes.Buffer
			e.Stream(&out)
			e.Encode(reply)
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			got = out.Bytes()
		}
		if int64(len(got)) != length {
			t.Fatalf("%d bytes, measured %d", len(got), length)
		}
		var parsed struct {
			Texts []any
			Blobs []string
		}
		if err := json.Unmarshal(got, &parsed); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		for i, s := range texts {
			if parsed.Texts[2*i] != strings.ToValidUTF8(s, "\ufffd") {
				t.Fatalf("text %q, want %q", parsed.Texts[2*i], s)
			}
		}
		for i, b := range blobs {
			if parsed.Blobs[i] != base64.StdEncoding.EncodeToString(b) {
				t.Fatalf("blob %d differs", i)
			}
		}
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestSinkError(t *testing.T) {
	gone := errors.New("gone")
	e := NewEncoder(nil, 16)
	e.Stream(failing{gone})
	e.Encode(func(o shape.Out) { o.Blob("Data", make([]byte, 1000)) })
	if err := e.Flush(); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func BenchmarkDecodePutRecords(b *testing.B) {
	blob := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), 64))
	one := `{"Data": "` + blob + `", "Key": "partition-key-1234567"}`
	body := []byte(`{"Name":"s","Records":[` + strings.Repeat(one+", ", 499) + one + `]}`)
	buf := make([]byte, len(body))
	many := *request
	many.Members = append([]shape.Member(nil), request.Members...)
	many.Members[6].Shape = &shape.Shape{Kind: shape.List, Element: record, Bounds: shape.Between(1, 500)}
	arena := new(shape.Arena)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, body)
		arena.Reset()
		v, mismatch, err := Decode(buf, &many, arena)
		if err != nil || mismatch != "" || shape.Validate(&many, v, "x") != "" {
			b.Fatal(err, mismatch)
		}
	}
}

func BenchmarkEncodeGetRecords(b *testing.B) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 64)
	reply := func(o shape.Out) {
		o.List("Records", func(o shape.Out) {
			for range 5000 {
				o.Item(func(o shape.Out) {
					o.Blob("Data", data)
					o.Text("PartitionKey", "partition-key-1234567")
				})
			}
		})
	}
	e := NewEncoder(make([]byte, 0, 128<<10), 64<<10)
	b.SetBytes(5000 * 1024)
	b.ReportAllocs()
	var n int64
	for b.Loop() {
		e.Measure()
		e.Encode(reply)
		n = e.Len()
		e.Stream(discard{})
		e.Encode(reply)
		if e.Flush() != nil || e.Len() != n {
			b.Fatal("length")
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
