package stream

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func genHashKey() *rapid.Generator[HashKey] {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) HashKey {
			return HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
		}),
		rapid.SampledFrom([]HashKey{{}, {Lo: 1}, {Lo: 1<<64 - 1}, {Hi: 1}, MaxHashKey, MaxHashKey.Prev()}),
	)
}

func bigOf(k HashKey) *big.Int {
	n := new(big.Int).SetUint64(k.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(k.Lo))
}

func TestHashKeyIsANumber(t *testing.T) {
	space := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := genHashKey().Draw(t, "a"), genHashKey().Draw(t, "b")
		if a.String() != bigOf(a).String() {
			t.Fatalf("%v prints as %s", a, a)
		}
		back, err := ParseHashKey(a.String())
		if err != nil || back != a {
			t.Fatalf("%s reads as %v, %v", a, back, err)
		}
		if a.Compare(b) != bigOf(a).Cmp(bigOf(b)) {
			t.Fatalf("%s compares wrongly with %s", a, b)
		}
		next := new(big.Int).Add(bigOf(a), big.NewInt(1))
		if bigOf(a.Next()).Cmp(next.Mod(next, space)) != 0 || a.Next().Prev() != a {
			t.Fatalf("after %s comes %s", a, a.Next())
		}
	})
}

func TestHashOf(t *testing.T) {
	// MD5 of "a" is 0cc175b9c0f1b6a831c399e269772661.
	if got, want := HashOf("a"), (HashKey{0x0cc175b9c0f1b6a8, 0x31c399e269772661}); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestParseHashKeyRefuses(t *testing.T) {
	for _, s := range []string{
		"", "-1", "+1", "01", "00", " 1", "1 ", "1e3", "0x1", "١",
		"340282366920938463463374607431768211456",
		"999999999999999999999999999999999999999",
		"1000000000000000000000000000000000000000",
		strings.Repeat("9", 1<<16),
	} {
		k, err := ParseHashKey(s)
		if CodeOf(err) != CodeInvalidArgument || err == nil {
			t.Errorf("%.50q reads as %s, %v", s, k, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func FuzzParseHashKey(f *testing.F) {
	for _, s := range []string{"0", "1", "340282366920938463463374607431768211455", "340282366920938463463374607431768211456", "007"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseHashKey(s)
		if err == nil && k.String() != s {
			t.Errorf("%q reads as %s", s, k)
		}
	})
}

// The example of the reference, section 7.2.
func TestEvenRangesOfThree(t *testing.T) {
	starts := []string{"0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970"}
	for i, r := range EvenRanges(3) {
		if r.Start.String() != starts[i] {
			t.Errorf("range %d starts at %s, want %s", i, r.Start, starts[i])
		}
	}
	if EvenRanges(0) != nil || EvenRanges(-1) != nil {
		t.Error("no shards have ranges")
	}
	if r := EvenRanges(1); r[0] != (HashRange{End: MaxHashKey}) {
		t.Errorf("one shard has %s", r[0])
	}
}

func TestEvenRangesTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		ranges := EvenRanges(n)
		checkTiles(t, ranges)
		step := new(big.Int).Lsh(big.NewInt(1), 128)
		step.Div(step, big.NewInt(int64(n)))
		for i, r := range ranges {
			want := new(big.Int).Mul(step, big.NewInt(int64(i)))
			if bigOf(r.Start).Cmp(want) != 0 {
				t.Fatalf("range %d of %d starts at %s, want %s", i, n, r.Start, want)
			}
		}
	})
}

func checkTiles(t *rapid.T, ranges []HashRange) {
	all := ranges[0]
	var err error
	for _, r := range ranges[1:] {
		if all, err = all.Join(r); err != nil {
			t.Fatal(err)
		}
	}
	if all != (HashRange{End: MaxHashKey}) {
		t.Fatalf("together they are %s", all)
	}
}

func TestSplitAndJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, at := genHashKey().Draw(t, "a"), genHashKey().Draw(t, "b"), genHashKey().Draw(t, "at")
		if a.Compare(b) > 0 {
			a, b = b, a
		}
		if rapid.Bool().Draw(t, "near") { // the bounds are where mistakes are
			at = rapid.SampledFrom([]HashKey{a.Prev(), a, a.Next(), a.Next().Next(), b.Prev(), b, b.Next()}).Draw(t, "at the bound")
		}
		r := HashRange{a, b}
		lo, hi, err := r.Split(at)
		first := new(big.Int).Add(bigOf(a), big.NewInt(1))
		allowed := first.Cmp(bigOf(at)) < 0 && bigOf(at).Cmp(bigOf(b)) < 0
		if (err == nil) != allowed {
			t.Fatalf("split of %s at %s: %v", r, at, err)
		}
		if err != nil {
			return
		}
		joined, err := lo.Join(hi)
		if err != nil || joined != r || hi.Start != at || lo.Contains(at) || !hi.Contains(at) || !lo.Contains(at.Prev()) {
			t.Fatalf("split of %s at %s: %s and %s", r, at, lo, hi)
		}
		if _, err := hi.Join(lo); err == nil {
			t.Fatal("joined the wrong way round")
		}
	})
}

func TestMiddleHalves(t *testing.T) {
	if m := (HashRange{End: MaxHashKey}).Middle(); m != (HashKey{Hi: 1 << 63}) {
		t.Errorf("the middle of all is %s", m)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := genHashKey().Draw(t, "a"), genHashKey().Draw(t, "b")
		if a.Compare(b) > 0 {
			a, b = b, a
		}
		if b.sub(a).Compare(HashKey{Lo: 3}) < 0 {
			return
		}
		lo, hi, err := HashRange{a, b}.Split(HashRange{a, b}.Middle())
		if err != nil {
			t.Fatal(err)
		}
		d := lo.End.sub(lo.Start).sub(hi.End.sub(hi.Start))
		if d != (HashKey{}) && d != (HashKey{Lo: 1}) {
			t.Fatalf("halves differ by %s", d)
		}
	})
}
