package stream

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func genIterator() *rapid.Generator[Iterator] {
	return rapid.Custom(func(t *rapid.T) Iterator {
		return Iterator{
			Stream:     StreamID(rapid.Uint64().Draw(t, "stream")),
			StreamName: rapid.StringMatching(`[a-zA-Z0-9_.-]{1,128}`).Draw(t, "name"),
			Shard:      rapid.Uint32().Draw(t, "shard"),
			Position:   Position(rapid.Uint64().Draw(t, "position")),
			IssuedMs:   rapid.Int64Range(0, 1<<50).Draw(t, "issued"),
		}
	})
}

func key(id uint32, b byte) TokenKey {
	k := TokenKey{ID: id}
	k.Secret[7] = b
	return k
}

func TestIteratorTokens(t *testing.T) {
	ring := Keyring{Current: key(1, 9)}
	next := Keyring{Current: key(2, 8), Previous: ring.Current}
	later := Keyring{Current: key(3, 7), Previous: next.Current}
	rapid.Check(t, func(t *rapid.T) {
		it := genIterator().Draw(t, "iterator")
		age := rapid.Int64Range(-1000, 2*TokenLifeMs).Draw(t, "age")
		token := ring.SealIterator(it)
		if len(token) > MaxTokenChars || strings.ContainsAny(token, "+/=&? ") {
			t.Fatalf("token is %q", token)
		}
		for _, r := range []Keyring{ring, next} {
			got, err := r.OpenIterator(token, it.IssuedMs+age)
			if got != it || (err != nil) != (age > TokenLifeMs) || err != nil && !errors.Is(err, ErrExpiredToken) {
				t.Fatalf("after %d ms: %+v, %v", age, got, err)
			}
		}
		for _, r := range []Keyring{later, {}, {Current: key(1, 5)}, {Previous: key(1, 5)}} {
			if _, err := r.OpenIterator(token, it.IssuedMs); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("another keyring opens it: %v", err)
			}
		}
		if _, _, err := ring.OpenPage("", token, it.IssuedMs); !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("it opens as a page: %v", err)
		}
	})
}

func TestNoKeyNoToken(t *testing.T) {
	var none Keyring
	if _, err := none.OpenIterator(none.SealIterator(Iterator{StreamName: "s"}), 0); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a token without a key opens: %v", err)
	}
}

func TestPageTokens(t *testing.T) {
	ring := Keyring{Current: key(1, 9)}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"shards", "streams", ""}).Draw(t, "kind")
		payload := rapid.SliceOfN(rapid.Byte(), 0, MaxPagePayload).Draw(t, "payload")
		issued := rapid.Int64Range(0, 1<<50).Draw(t, "issued")
		token := ring.SealPage(kind, issued, payload)
		if len(token) > MaxTokenChars {
			t.Fatalf("%d bytes make a token of %d", len(payload), len(token))
		}
		got, at, err := ring.OpenPage(kind, token, issued+TokenLifeMs)
		if err != nil || at != issued || !slices.Equal(got, payload) {
			t.Fatalf("%x at %d, %v", got, at, err)
		}
		if _, _, err := ring.OpenPage(kind, token, issued+TokenLifeMs+1); !errors.Is(err, ErrExpiredToken) {
			t.Fatalf("too old, but %v", err)
		}
		if _, _, err := ring.OpenPage(kind+"x", token, issued); !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("it opens as another kind: %v", err)
		}
	})
	if _, _, err := ring.OpenPage("k", ring.SealPage("k", math.MinInt64, nil), math.MaxInt64); !errors.Is(err, ErrExpiredToken) {
		t.Errorf("as old as can be, but %v", err)
	}
}

// A pair of kind and payload must not pass for another.
func TestKindAndPayloadAreApart(t *testing.T) {
	ring := Keyring{Current: key(1, 9)}
	token := ring.SealPage("ab", 5, []byte("c"))
	for _, kind := range []string{"a", "abc", "ab\x00", ""} {
		if _, _, err := ring.OpenPage(kind, token, 5); err == nil {
			t.Errorf("opens as %q", kind)
		}
	}
}

func TestForgedTokens(t *testing.T) {
	ring := Keyring{Current: key(1, 9)}
	token := ring.SealIterator(Iterator{Stream: 3, StreamName: "orders", Shard: 2, Position: 77, IssuedMs: 1000})
	for i := range token {
		for _, c := range []byte("Aa0_-=\n +/") {
			forged := token[:i] + string(c) + token[i+1:]
			if _, err := ring.OpenIterator(forged, 1000); forged != token && !errors.Is(err, ErrInvalidToken) {
				t.Errorf("%q at %d: %v", c, i, err)
			}
		}
		for _, forged := range []string{token[:i], token[i+1:], token[:i] + "\n" + token[i:]} {
			if _, err := ring.OpenIterator(forged, 1000); !errors.Is(err, ErrInvalidToken) {
				t.Errorf("cut or widened at %d: %v", i, err)
			}
		}
	}
	for _, text := range []string{"", "x", "TRIM_HORIZON", strings.Repeat("A", 512), strings.Repeat("A", 1<<20), token + "A", token + "=", token + token} {
		if _, err := ring.OpenIterator(text, 1000); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzOpenToken(f *testing.F) {
	ring := Keyring{Current: key(1, 9), Previous: key(2, 8)}
	f.Add(ring.SealIterator(Iterator{Stream: 3, StreamName: "orders", Shard: 2, Position: 77, IssuedMs: 1000}), []byte("abc"))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, token string, payload []byte) {
		if it, err := ring.OpenIterator(token, 0); err == nil && ring.SealIterator(it) != token {
			t.Errorf("%q opens as %+v", token, it)
		}
		// Genuine, but made of anything.
		sealed := ring.SealPage(kindIterator, 0, payload)
		if it, err := ring.OpenIterator(sealed, 0); err == nil && ring.SealIterator(it) != sealed {
			t.Errorf("payload %x opens as %+v", payload, it)
		}
	})
}
