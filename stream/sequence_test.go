package stream

import "testing"

// The samples are in the public documents of Kinesis.
func TestSequenceOfKinesis(t *testing.T) {
	const text = "49655962066601463032522589543535113056108699331451682818"
	s, err := ParseSequence(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Sequence{CreatedSec: 1726693305, Position: 0x8c, ArrivedSec: 1726693324, Shard: 0}); s != want {
		t.Errorf("parsed %+v, want %+v", s, want)
	}
	if s.String() != text {
		t.Errorf("printed %s", s)
	}
}
