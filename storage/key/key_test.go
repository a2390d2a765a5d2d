package key

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/stream"
	"pgregory.net/rapid"
)

// fields are all that any key is made of. Small and extreme values come often,
// so that keys share prefixes.
type fields struct {
	group   uint32
	class   uint8
	segment uint64
	shard   stream.ShardID
	number  uint64
	name    string
}

func genFields() *rapid.Generator[fields] {
	u64 := rapid.OneOf(rapid.Uint64Range(0, 2), rapid.Uint64(), rapid.SampledFrom([]uint64{255, 256, 1<<64 - 1}))
	u32 := rapid.OneOf(rapid.Uint32Range(0, 2), rapid.Uint32(), rapid.SampledFrom([]uint32{255, 256, 1<<32 - 1}))
	return rapid.Custom(func(t *rapid.T) fields {
		return fields{
			group: u32.Draw(t, "group"), class: rapid.Uint8().Draw(t, "class"), segment: u64.Draw(t, "segment"),
			shard:  stream.ShardID{Stream: stream.StreamID(u64.Draw(t, "stream")), Index: u32.Draw(t, "index")},
			number: u64.Draw(t, "number"), name: rapid.StringN(0, 5, 10).Draw(t, "name"),
		}
	})
}

// kind is one kind of key: how it is made and read, which of the fields it
// keeps, in order.
type kind struct {
	name    string
	make    func(f fields) []byte
	parse   func(k []byte) (fields, error)
	order   string // g c s h n N
	grouped bool
}

var kinds = []kind{
	{"node", func(f fields) []byte { return Node(f.name) }, func(k []byte) (f fields, err error) { f.name, err = ParseNode(k); return }, "N", false},
	{"log", func(f fields) []byte { return Log(f.group, f.number) }, func(k []byte) (f fields, err error) { f.group, f.number, err = ParseLog(k); return }, "gn", true},
	{"stable", func(f fields) []byte { return Stable(f.group, f.name) }, func(k []byte) (f fields, err error) { f.group, f.name, err = ParseStable(k); return }, "gN", true},
	{"group state", func(f fields) []byte { return GroupState(f.group, f.name) }, func(k []byte) (f fields, err error) { f.group, f.name, err = ParseGroupState(k); return }, "gN", true},
	{"shard", func(f fields) []byte { return Shard(f.group, f.shard) }, func(k []byte) (f fields, err error) { f.group, f.shard, err = ParseShard(k); return }, "gh", true},
	{"segment", func(f fields) []byte { return Segment(f.group, f.class, f.segment) }, func(k []byte) (f fields, err error) {
		f.group, f.class, f.segment, err = ParseSegment(k)
		return
	}, "gcs", true},
	{"segment shard", func(f fields) []byte { return SegmentShard(f.group, f.class, f.segment, f.shard) }, func(k []byte) (f fields, err error) {
		f.group, f.class, f.segment, f.shard, err = ParseSegmentShard(k)
		return
	}, "gcsh", true},
	{"shard segment", func(f fields) []byte { return ShardSegment(f.group, f.shard, stream.Position(f.number)) }, func(k []byte) (f fields, err error) {
		var p stream.Position
		f.group, f.shard, p, err = ParseShardSegment(k)
		f.number = uint64(p)
		return
	}, "ghn", true},
	{"block", func(f fields) []byte {
		return BlockKey{Group: f.group, Class: f.class, Segment: f.segment, Shard: f.shard, First: stream.Position(f.number)}.Append(nil)
	}, func(k []byte) (fields, error) {
		b, err := ParseBlock(k)
		return fields{group: b.Group, class: b.Class, segment: b.Segment, shard: b.Shard, number: uint64(b.First)}, err
	}, "gcshn", true},
	{"metadata state", func(f fields) []byte { return MetaState(f.name) }, func(k []byte) (f fields, err error) { f.name, err = ParseMetaState(k); return }, "N", false},
	{"metadata name", func(f fields) []byte { return MetaName(f.name) }, func(k []byte) (f fields, err error) { f.name, err = ParseMetaName(k); return }, "N", false},
	{"metadata stream", func(f fields) []byte { return MetaStream(f.shard.Stream) }, func(k []byte) (f fields, err error) {
		f.shard.Stream, err = ParseMetaStream(k)
		return
	}, "S", false},
	{"metadata shard", func(f fields) []byte { return MetaShard(f.shard) }, func(k []byte) (f fields, err error) { f.shard, err = ParseMetaShard(k); return }, "h", false},
}

// compare orders by the fields that a kind keeps.
func (k kind) compare(a, b fields) int {
	for _, field := range k.order {
		c := 0
		switch field {
		case 'g':
			c = cmp.Compare(a.group, b.group)
		case 'c':
			c = cmp.Compare(a.class, b.class)
		case 's':
			c = cmp.Compare(a.segment, b.segment)
		case 'S':
			c = cmp.Compare(a.shard.Stream, b.shard.Stream)
		case 'h':
			c = cmp.Or(cmp.Compare(a.shard.Stream, b.shard.Stream), cmp.Compare(a.shard.Index, b.shard.Index))
		case 'n':
			c = cmp.Compare(a.number, b.number)
		case 'N':
			c = strings.Compare(a.name, b.name)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func TestKeysSortAsTheirFields(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a, b := genFields().Draw(t, "a"), genFields().Draw(t, "b")
				if got, want := bytes.Compare(k.make(a), k.make(b)), k.compare(a, b); got != want {
					t.Fatalf("%x and %x compare as %d, their fields as %d", k.make(a), k.make(b), got, want)
				}
			})
		})
	}
}

func TestSegmentOf(t *testing.T) {
	for _, k := range kinds {
		rapid.Check(t, func(t *rapid.T) {
			f := genFields().Draw(t, "fields")
			class, segment, ok := SegmentOf(k.make(f))
			if ok != (k.name == "block") || ok && (class != f.class || segment != f.segment) {
				t.Fatalf("a %s key of %+v is in class %d, segment %d: %v", k.name, f, class, segment, ok)
			}
		})
	}
}

func TestKeysRoundTrip(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				f := genFields().Draw(t, "fields")
				made := k.make(f)
				got, err := k.parse(made)
				if err != nil || k.compare(got, f) != 0 {
					t.Fatalf("%x reads as %+v, %v", made, got, err)
				}
				if group, ok := GroupOf(made); ok != k.grouped || ok && group != f.group {
					t.Fatalf("%x belongs to group %d, %v", made, group, ok)
				}
				for _, other := range kinds {
					if _, err := other.parse(made); other.name != k.name && !errors.Is(err, ErrMalformed) {
						t.Fatalf("%x reads as a %s key too", made, other.name)
					}
				}
			})
		})
	}
}

func TestBounds(t *testing.T) {
	type bound struct {
		name string
		in   string // the kind inside
		of   func(f fields) (lo, hi []byte)
		same string // the fields that decide
	}
	for _, b := range []bound{
		{"log", "log", func(f fields) (lo, hi []byte) { return LogBounds(f.group) }, "g"},
		{"stable", "stable", func(f fields) (lo, hi []byte) { return StableBounds(f.group) }, "g"},
		{"group state", "group state", func(f fields) (lo, hi []byte) { return GroupStateBounds(f.group) }, "g"},
		{"shards", "shard", func(f fields) (lo, hi []byte) { return ShardBounds(f.group) }, "g"},
		{"segments", "segment", func(f fields) (lo, hi []byte) { return SegmentsBounds(f.group, f.class) }, "gc"},
		{"shards of a segment", "segment shard", func(f fields) (lo, hi []byte) { return SegmentShardBounds(f.group, f.class, f.segment) }, "gcs"},
		{"segments of a shard", "shard segment", func(f fields) (lo, hi []byte) { return ShardSegmentBounds(f.group, f.shard) }, "gh"},
		{"blocks of a group", "block", func(f fields) (lo, hi []byte) { return AllBlockBounds(f.group) }, "g"},
		{"blocks of a segment", "block", func(f fields) (lo, hi []byte) { return SegmentBounds(f.group, f.class, f.segment) }, "gcs"},
		{"blocks of a shard", "block", func(f fields) (lo, hi []byte) { return BlockBounds(f.group, f.class, f.segment, f.shard) }, "gcsh"},
		{"metadata names", "metadata name", func(fields) (lo, hi []byte) { return MetaNameBounds() }, ""},
		{"streams", "metadata stream", func(fields) (lo, hi []byte) { return MetaStreamBounds() }, ""},
		{"shards of a stream", "metadata shard", func(f fields) (lo, hi []byte) { return MetaShardBounds(f.shard.Stream) }, "S"},
		{"shards of all streams", "metadata shard", func(fields) (lo, hi []byte) { return MetaShardsBounds() }, ""},
	} {
		t.Run(b.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				f, g := genFields().Draw(t, "bounds of"), genFields().Draw(t, "key of")
				lo, hi := b.of(f)
				if bytes.Compare(lo, hi) >= 0 {
					t.Fatalf("%x to %x", lo, hi)
				}
				for _, k := range kinds {
					made := k.make(g)
					inside := bytes.Compare(lo, made) <= 0 && bytes.Compare(made, hi) < 0
					want := k.name == b.in && kind{order: b.same}.compare(f, g) == 0
					if inside != want {
						t.Fatalf("%s key %x, bounds %x to %x: inside is %v", k.name, made, lo, hi, inside)
					}
				}
			})
		})
	}
	lo, hi := MetaBounds()
	for _, k := range kinds {
		made := k.make(fields{})
		if inside := bytes.Compare(lo, made) <= 0 && bytes.Compare(made, hi) < 0; inside != strings.HasPrefix(k.name, "metadata") {
			t.Errorf("%s key among the metadata: %v", k.name, inside)
		}
	}
}

// The bytes that docs/format/keys.md draws: they are on disks and may not change.
func TestKeyBytes(t *testing.T) {
	f := fields{group: 0x01020304, class: 5, segment: 6, shard: stream.ShardID{Stream: 7, Index: 8}, number: 9, name: "n"}
	want := map[string]string{
		"node": "\x01n", "log": "\x02\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x09",
		"stable": "\x03\x01\x02\x03\x04n", "group state": "\x04\x01\x02\x03\x04n",
		"shard":           "\x05\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08",
		"segment":         "\x06\x01\x02\x03\x04\x05\x00\x00\x00\x00\x00\x00\x00\x06",
		"segment shard":   "\x07\x01\x02\x03\x04\x05\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08",
		"shard segment":   "\x08\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09",
		"metadata state":  "\x09sn",
		"metadata name":   "\x09nn",
		"metadata stream": "\x09t\x00\x00\x00\x00\x00\x00\x00\x07",
		"metadata shard":  "\x09h\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08",
		"block":           "\x10\x01\x02\x03\x04\x05\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09",
	}
	for _, k := range kinds {
		if got := string(k.make(f)); got != want[k.name] {
			t.Errorf("%s: %x, want %x", k.name, got, want[k.name])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.make(fields{group: 1, class: 2, segment: 3, number: 4, name: "term"}))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		GroupOf(b)
		read := 0
		for _, k := range kinds {
			got, err := k.parse(b)
			if err != nil {
				continue
			}
			read++
			if again := k.make(got); !bytes.Equal(again, b) {
				t.Errorf("%x reads as a %s key that writes as %x", b, k.name, again)
			}
		}
		if read > 1 {
			t.Errorf("%x reads as %d kinds of key", b, read)
		}
	})
}
