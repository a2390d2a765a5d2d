package logstore

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
)

func headers() []header {
	e := entry.Encode(entry.Entry{Term: 2, Command: []byte("command"), Rows: []entry.Row{
		{Key: []byte("k1"), Value: []byte("value 1")}, {Key: []byte{}, Value: nil},
	}})
	rows, _ := split(&raft.Log{Index: 5, Term: 2, Data: e.Bytes(), AppendedAt: time.Unix(7, 8)})
	stale, _ := split(&raft.Log{Index: 6, Term: 3, Data: e.Bytes()})
	raw, _ := split(&raft.Log{Index: 7, Term: 3, Type: raft.LogConfiguration, Data: []byte("raw"), Extensions: []byte("ext")})
	empty, _ := split(&raft.Log{})
	return []header{rows, stale, raw, empty}
}

func TestHeaders(t *testing.T) {
	for i, h := range headers() {
		k := indexKey(h.log.Index)
		b := h.encode([]byte("before"), k)[len("before"):]
		got, err := decodeHeader(k, b)
		if err != nil {
			t.Fatalf("header %d: %v", i, err)
		}
		if len(h.items) == 0 {
			h.items, got.items = nil, nil
		}
		if !reflect.DeepEqual(got, h) {
			t.Errorf("header %d reads as %+v, was %+v", i, got, h)
		}
		if _, err := decodeHeader(indexKey(99), b); err == nil {
			t.Errorf("header %d is accepted under another key", i)
		}
		for at := range b {
			for bit := range 8 {
				b[at] ^= 1 << bit
				if _, err := decodeHeader(k, b); err == nil {
					t.Errorf("header %d: bit %d of byte %d was not noticed", i, bit, at)
				}
				b[at] ^= 1 << bit
			}
			if _, err := decodeHeader(k, b[:at]); err == nil {
				t.Errorf("header %d: %d of %d bytes are accepted", i, at, len(b))
			}
		}
	}
}

// FuzzHeader gives the decoder what has a right checksum and is wrong otherwise.
func FuzzHeader(f *testing.F) {
	k := indexKey(1)
	for _, h := range headers() {
		b := h.encode(nil, k)
		f.Add(b[:len(b)-headerSum])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(bytes.Clone(b), 0, 0, 0, 0)
		sum := seal(k, b[:len(b)-headerSum])
		for i := range headerSum {
			b[len(b)-headerSum+i] = byte(sum >> (8 * i))
		}
		h, err := decodeHeader(k, b)
		if err != nil {
			return
		}
		b[3] = 0 // not looked at
		again := h.encode(nil, k)
		if !bytes.Equal(again[:len(again)-headerSum], b[:len(b)-headerSum]) {
			t.Errorf("%x reads as %+v, which is %x", b, h, again)
		}
	})
}

func FuzzStable(f *testing.F) {
	k := []byte("key")
	f.Add(sealStable(k, []byte("value")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := openStable(k, b); err == nil && !bytes.Equal(sealStable(k, v), b) {
			t.Errorf("%x reads as %x", b, v)
		}
	})
}
