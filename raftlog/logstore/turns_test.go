package logstore

import (
	"testing"

	"github.com/runnel-io/runnel/storage/key"
)

func TestTurns(t *testing.T) {
	block := func(class uint8, segment uint64) []byte {
		return key.BlockKey{Group: 1, Class: class, Segment: segment, First: 1}.Append(nil)
	}
	other := key.Log(1, 1)
	const size = 200 // of a row
	var turns turns
	for i, c := range []struct {
		rows   [][]byte
		begins bool
		ended  int64 // rows
	}{
		{[][]byte{block(0, 7), block(0, 7)}, false, 0}, // the first that is seen: where it began is not known
		{[][]byte{other}, false, 0},
		{nil, false, 0},
		{[][]byte{block(0, 7)}, false, 0},
		{[][]byte{block(2, 1)}, false, 0}, // another class
		{[][]byte{block(0, 8), block(0, 8)}, true, 5},
		{[][]byte{block(2, 1)}, false, 0},
		{[][]byte{block(0, 8), block(2, 2)}, true, 3},
		{[][]byte{block(0, 7)}, false, 0}, // never back
		{[][]byte{block(0, 9)}, true, 3},
	} {
		var items []item
		for _, k := range c.rows {
			items = append(items, item{key: k, length: uint32(size - len(k))})
		}
		ended, begins := turns.at(items)
		if begins != c.begins || ended != c.ended*size {
			t.Errorf("entry %d: begins %v after %d bytes, want %v after %d", i, begins, ended, c.begins, c.ended*size)
		}
	}
}
