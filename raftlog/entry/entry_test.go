package entry

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func draw() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		e := Entry{Term: rapid.Uint64().Draw(t, "term"), Command: rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "command")}
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			e.Rows = append(e.Rows, Row{
				Key: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key"), Value: rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "value"),
			})
		}
		return e
	})
}

func same(a, b Entry) bool {
	if a.Term != b.Term || !bytes.Equal(a.Command, b.Command) || len(a.Rows) != len(b.Rows) {
		return false
	}
	for i := range a.Rows {
		if !bytes.Equal(a.Rows[i].Key, b.Rows[i].Key) || !bytes.Equal(a.Rows[i].Value, b.Rows[i].Value) {
			return false
		}
	}
	return true
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := draw().Draw(t, "entry")
		enc := Encode(e)
		p, err := Parse(enc.Bytes())
		if err != nil || !same(p.Entry, e) {
			t.Fatalf("%+v reads as %+v, %v", e, p.Entry, err)
		}
		if err := p.Verify(); err != nil {
			t.Fatal(err)
		}
		size := len(e.Command)
		for i, r := range e.Rows {
			size += len(r.Key) + len(r.Value)
			if p.Sums[i] != Checksum(r.Value) {
				t.Fatalf("sum of row %d is %x", i, p.Sums[i])
			}
		}
		if want := EncodedSize(len(e.Rows), size); enc.Len() != want {
			t.Fatalf("%d bytes long, EncodedSize says %d", enc.Len(), want)
		}
		// What aliases the buffer must not grow into it.
		before := bytes.Clone(enc.Bytes())
		_ = append(p.Command, 'x')
		for _, r := range p.Rows {
			_, _ = append(r.Key, 'x'), append(r.Value, 'x')
		}
		if !bytes.Equal(before, enc.Bytes()) {
			t.Fatal("appending to a part has changed the entry")
		}
	})
}

func TestBuilder(t *testing.T) {
	b := NewBuilder(1)
	for _, v := range []string{"", "value", "another value"} {
		b.AppendRow([]byte("key of "+v), func(dst []byte) []byte { return append(dst, v...) })
	}
	if b.Rows() != 3 {
		t.Errorf("%d rows", b.Rows())
	}
	before := b.Len()
	e := b.Finish(9, nil)
	if e.Len() != before {
		t.Errorf("%d bytes long, Len said %d", e.Len(), before)
	}
	p, err := Parse(e.Bytes())
	if err != nil || len(p.Rows) != 3 || string(p.Rows[2].Value) != "another value" || p.Term != 9 {
		t.Errorf("%+v, %v", p, err)
	}
	if b.Rows() != 0 || b.Len() != EncodedSize(0, 0) {
		t.Error("a finished builder is not empty")
	}
}

// TestFlippedBits wants every flipped bit and every length but the right one to
// be noticed.
func TestFlippedBits(t *testing.T) {
	b := Encode(Entry{Term: 3, Command: []byte("command"), Rows: []Row{{[]byte("k1"), []byte("v1")}, {[]byte("k2"), []byte("v2")}}}).Bytes()
	check := func(b []byte) error {
		p, err := Parse(b)
		if err != nil {
			return err
		}
		return p.Verify()
	}
	for at := range b {
		for bit := range 8 {
			damaged := bytes.Clone(b)
			damaged[at] ^= 1 << bit
			if err := check(damaged); !errors.Is(err, ErrChecksum) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Errorf("bit %d of byte %d: %v", bit, at, err)
			}
		}
		if check(b[:at]) == nil || check(b[at+1:]) == nil {
			t.Errorf("a part of it, cut at %d, is accepted", at)
		}
	}
	if check(append(bytes.Clone(b), 0)) == nil || check(append([]byte{0}, b...)) == nil {
		t.Error("a byte too many is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(Entry{}).Bytes())
	f.Add(Encode(Entry{Term: 3, Command: []byte("command"), Rows: []Row{{[]byte("k1"), []byte("v1")}, {nil, nil}}}).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil || p.Verify() != nil {
			return
		}
		if again := Encode(p.Entry).Bytes(); !bytes.Equal(again, b) {
			t.Errorf("%x reads as %+v, which is %x", b, p, again)
		}
	})
}
