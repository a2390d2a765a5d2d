package stream

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func genSequence() *rapid.Generator[Sequence] {
	return rapid.Custom(func(t *rapid.T) Sequence {
		pos := rapid.Uint64Range(0, uint64(MaxPosition))
		return Sequence{
			CreatedSec: rapid.Int64Range(0, maxCreatedSec-1).Draw(t, "created"),
			Position:   Position(rapid.OneOf(pos, rapid.Just(uint64(MaxPosition)), rapid.Uint64Range(0, 100)).Draw(t, "position")),
			ArrivedSec: rapid.Int64Range(0, 1<<36-1).Draw(t, "arrived"),
			Shard:      rapid.Uint32().Draw(t, "shard"),
		}
	})
}

// The samples are in the public documents of Kinesis.
func TestSequenceOfKinesis(t *testing.T) {
	const text = "49655962066601463032522589543535113056108699331451682818"
	s, err := ParseSequence(text)
	if err != nil {
		t.Fatal(err)
	}
	// 2024-09-18 21:01:45 and 21:02:04 UTC
	if want := (Sequence{CreatedSec: 1726693305, Position: 0x8c, ArrivedSec: 1726693324, Shard: 0}); s != want {
		t.Errorf("parsed %+v, want %+v", s, want)
	}
	if s.String() != text {
		t.Errorf("printed %s", s)
	}
}

func TestStartingSequencesStep(t *testing.T) {
	for shard := range uint32(15) {
		a, _ := new(big.Int).SetString(StartingSequence(1726693305, shard).String(), 10)
		b, _ := new(big.Int).SetString(StartingSequence(1726693305, shard+1).String(), 10)
		if d := b.Sub(b, a).String(); d != "22300745198530623141535718272648361505980432" {
			t.Errorf("shards %d and %d are %s apart", shard, shard+1, d)
		}
	}
}

func TestSequenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSequence().Draw(t, "sequence")
		text := s.String()
		if len(text) != 56 || !strings.HasPrefix(text, "49") && s.CreatedSec < 2.6e9 && s.CreatedSec > 1e9 {
			t.Fatalf("%+v prints as %s", s, text)
		}
		if back, err := ParseSequence(text); err != nil || back != s {
			t.Fatalf("%s reads as %+v, %v", text, back, err)
		}
		if got := string(s.AppendTo([]byte("x"))); got != "x"+text {
			t.Fatalf("appended %s", got)
		}
	})
}

func TestSequenceOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSequence().Draw(t, "a"), genSequence().Draw(t, "b")
		if rapid.Bool().Draw(t, "same shard") {
			b.CreatedSec, b.Shard = a.CreatedSec, a.Shard
		}
		x, _ := new(big.Int).SetString(a.String(), 10)
		y, _ := new(big.Int).SetString(b.String(), 10)
		if x.Cmp(y) != a.Compare(b) {
			t.Fatalf("%+v and %+v compare as %d", a, b, a.Compare(b))
		}
	})
}

// Whatever a shard's records are, its bounds enclose them, and a child made a
// second later comes after all of them.
func TestSequencesOfAShardAndItsChild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSequence().Draw(t, "record")
		s.Position = Position(rapid.Uint64Range(1, uint64(MaxPosition)-1).Draw(t, "position"))
		start := StartingSequence(s.CreatedSec, s.Shard)
		end := EndingSequence(s.CreatedSec, rapid.Int64Range(0, 1<<36-1).Draw(t, "closed"), s.Shard)
		child := StartingSequence(s.CreatedSec+1, rapid.Uint32().Draw(t, "child"))
		if start.Compare(s) >= 0 || s.Compare(end) >= 0 || end.Compare(child) >= 0 {
			t.Fatalf("%s, %s, %s, %s", start, s, end, child)
		}
	})
}

func TestParseSequenceRefuses(t *testing.T) {
	good := StartingSequence(1726693305, 3)
	hi, mid, lo := good.limbs()
	number := func(hi, mid, lo uint64) string {
		n := new(big.Int).SetUint64(hi)
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(mid))
		return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(lo)).String()
	}
	if number(hi, mid, lo) != good.String() {
		t.Fatal("the test is wrong")
	}
	bad := map[string]string{
		"nothing":           "",
		"a sentinel":        "TRIM_HORIZON",
		"another top":       number(hi^3<<56, mid, lo),
		"another version":   number(hi, mid, lo^1),
		"the nibble":        number(hi^1<<16, mid, lo),
		"the spare byte":    number(hi, mid^1<<8, lo),
		"a 64-bit position": number(hi|1<<15, mid, lo),
		"year 2477":         number(2<<56|3<<16|maxCreatedSec<<20, mid, lo),
		"leading zeros":     "0" + good.String(),
		"a sign":            "+" + good.String()[1:],
		"57 digits":         good.String() + "0",
		"the largest":       strings.Repeat("9", 56),
		"a million digits":  strings.Repeat("4", 1_000_000),
	}
	for what, text := range bad {
		s, err := ParseSequence(text)
		if err == nil || CodeOf(err) != CodeInvalidArgument || len(err.Error()) > 200 {
			t.Errorf("%s: %.70q reads as %+v, %v", what, text, s, err)
		}
	}
}

func FuzzParseSequence(f *testing.F) {
	f.Add("49655962066601463032522589543535113056108699331451682818")
	f.Add(EndingSequence(1, 2, 3).String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSequence(text)
		if err == nil && s.String() != text {
			t.Errorf("%q reads as %+v, which prints as %s", text, s, s)
		}
	})
}

func BenchmarkSequenceString(b *testing.B) {
	s := Sequence{CreatedSec: 1726693305, Position: 123456, ArrivedSec: 1726693324, Shard: 7}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.String()
	}
}
