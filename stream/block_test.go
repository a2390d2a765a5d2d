package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func genRecord() *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		return Record{
			PartitionKey: rapid.StringN(0, 40, 300).Draw(t, "key"),
			Data:         rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
		}
	})
}

func genHeader() *rapid.Generator[BlockHeader] {
	return rapid.Custom(func(t *rapid.T) BlockHeader {
		return BlockHeader{
			First:     Position(rapid.Uint64Range(1, uint64(MaxPosition)-1000).Draw(t, "first")),
			ArrivedMs: rapid.Int64Range(0, 1<<62).Draw(t, "arrived"),
		}
	})
}

func sameRecords(got, want []Record) bool {
	return slices.EqualFunc(got, want, func(a, b Record) bool {
		return a.PartitionKey == b.PartitionKey && bytes.Equal(a.Data, b.Data)
	})
}

func TestBlockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(genRecord(), 1, 30).Draw(t, "records")
		h := genHeader().Draw(t, "header")
		prefix := rapid.SliceOf(rapid.Byte()).Draw(t, "prefix")
		b := AppendBlock(slices.Clone(prefix), h, records)
		if !bytes.HasPrefix(b, prefix) || len(b)-len(prefix) != BlockSize(records) {
			t.Fatalf("appended %d bytes to %d, not %d", len(b)-len(prefix), len(prefix), BlockSize(records))
		}
		b = b[len(prefix):]
		block, err := ParseBlock(b)
		if err != nil {
			t.Fatal(err)
		}
		h.Count = uint32(len(records))
		for _, r := range records {
			h.Bytes += uint64(r.Size())
		}
		if block.Header() != h || block.Last() != h.First+Position(len(records))-1 || !bytes.Equal(block.Encoded(), b) {
			t.Fatalf("header is %+v, want %+v; last is %d", block.Header(), h, block.Last())
		}
		skip := rapid.IntRange(-1, len(records)).Draw(t, "skip")
		at := h.First + Position(max(skip, 0))
		var got []Record
		for p, r := range block.From(h.First + Position(skip)) {
			if p != at {
				t.Fatalf("position %d, want %d", p, at)
			}
			at++
			got = append(got, r)
		}
		if !sameRecords(got, records[max(skip, 0):]) {
			t.Fatal("other records")
		}
		for p := range block.All() { // stopping is allowed
			if p != h.First {
				t.Fatalf("begins at %d", p)
			}
			break
		}
	})
}

// The example that docs/format/block.md draws.
func TestBlockBytes(t *testing.T) {
	got := AppendBlock(nil, BlockHeader{First: 7, ArrivedMs: 1000}, []Record{{PartitionKey: "k", Data: []byte("ab")}, {Data: []byte("c")}})
	want := "01000000" + "02000000" + "0700000000000000" + "e803000000000000" + "0400000000000000" +
		"0100" + "02000000" + "0000" + "01000000" + "6b6162" + "63"
	if hex.EncodeToString(got[:len(got)-4]) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
	if sum := crc32.Checksum(got[:len(got)-4], crc32.MakeTable(crc32.Castagnoli)); binary.LittleEndian.Uint32(got[len(got)-4:]) != sum {
		t.Error("does not end with its CRC32C")
	}
}

func sealed(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	return b
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	b := AppendBlock(nil, BlockHeader{First: 7, ArrivedMs: 1000}, []Record{{PartitionKey: "k", Data: []byte("ab")}, {Data: []byte("c")}})
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := ParseBlock(b); CodeOf(err) != CodeCorrupt || err == nil {
			t.Errorf("bit %d: %v", bit, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for n := range b {
		if _, err := ParseBlock(b[:n]); CodeOf(err) != CodeCorrupt || err == nil {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := ParseBlock(append(b, 0)); err == nil {
		t.Error("a byte too many was taken")
	}
}

// A right checksum does not make a wrong structure good.
func TestParseBlockRefusesStructure(t *testing.T) {
	fresh := func() []byte {
		return AppendBlock(nil, BlockHeader{First: 7, ArrivedMs: 1000}, []Record{{PartitionKey: "key", Data: []byte("data")}, {Data: []byte("x")}})
	}
	for what, change := range map[string]func(b []byte) []byte{
		"version 0":              func(b []byte) []byte { b[0] = 0; return b },
		"version 2":              func(b []byte) []byte { b[0] = 2; return b },
		"flags":                  func(b []byte) []byte { b[3] = 1; return b },
		"no records":             func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], 0); return b },
		"too many records":       func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], 1<<32-1); return b },
		"too few records":        func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], 1); return b },
		"position 0":             func(b []byte) []byte { binary.LittleEndian.PutUint64(b[8:], 0); return b },
		"the last position":      func(b []byte) []byte { binary.LittleEndian.PutUint64(b[8:], uint64(MaxPosition)-1); return b },
		"a position past all":    func(b []byte) []byte { binary.LittleEndian.PutUint64(b[8:], 1<<64-1); return b },
		"arrived before 1970":    func(b []byte) []byte { binary.LittleEndian.PutUint64(b[16:], 1<<63); return b },
		"more bytes":             func(b []byte) []byte { b[24]++; return b },
		"huge data":              func(b []byte) []byte { binary.LittleEndian.PutUint32(b[34:], 1<<32-1); return b },
		"huge key":               func(b []byte) []byte { binary.LittleEndian.PutUint16(b[32:], 1<<16-1); return b },
		"a byte between":         func(b []byte) []byte { return slices.Insert(b, len(b)-4, 0) },
		"a byte less":            func(b []byte) []byte { return slices.Delete(b, len(b)-5, len(b)-4) },
		"bytes that wrap around": func(b []byte) []byte { binary.LittleEndian.PutUint64(b[24:], 1<<64-1); return b },
	} {
		if block, err := ParseBlock(sealed(change(fresh()))); CodeOf(err) != CodeCorrupt || err == nil {
			t.Errorf("%s: %+v, %v", what, block.Header(), err)
		}
	}
	if b, err := ParseBlock(sealed(fresh())); err != nil || b.Last() != 8 {
		t.Errorf("the unchanged one: %v", err)
	}
	last := fresh()
	binary.LittleEndian.PutUint64(last[8:], uint64(MaxPosition)-2)
	if b, err := ParseBlock(sealed(last)); err != nil || b.Last() != MaxPosition-1 {
		t.Errorf("the last positions: %v", err)
	}
}

func TestZeroBlock(t *testing.T) {
	var b Block
	for range b.All() {
		t.Error("has a record")
	}
	if b.Last() != 0 || b.Encoded() != nil {
		t.Error("is not empty")
	}
}

func FuzzParseBlock(f *testing.F) {
	f.Add(AppendBlock(nil, BlockHeader{First: 7, ArrivedMs: 1000}, []Record{{PartitionKey: "k", Data: []byte("ab")}, {}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 {
			b = sealed(slices.Clone(b)) // or nothing would pass the checksum
		}
		block, err := ParseBlock(b)
		if err != nil {
			return
		}
		var records []Record
		for _, r := range block.All() {
			records = append(records, r)
		}
		h := block.Header()
		if again := AppendBlock(nil, h, records); !bytes.Equal(again, b) {
			t.Errorf("%x reads as %d records, which write as %x", b, len(records), again)
		}
	})
}

func TestBlockAllocations(t *testing.T) {
	records := benchRecords()
	buf := make([]byte, 0, BlockSize(records))
	h := BlockHeader{First: 7, ArrivedMs: 1000}
	if n := testing.AllocsPerRun(10, func() { AppendBlock(buf, h, records) }); n != 0 {
		t.Errorf("writing allocates %v times", n)
	}
	b := AppendBlock(nil, h, records)
	read := func() {
		block, err := ParseBlock(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range block.All() {
			if r.Size() == 0 {
				t.Fatal("an empty record")
			}
		}
	}
	if n := testing.AllocsPerRun(10, read); n > 1 { // an iterator that is not inlined
		t.Errorf("reading %d records allocates %v times", len(records), n)
	}
}

func benchRecords() []Record {
	records := make([]Record, 500)
	for i := range records {
		records[i] = Record{PartitionKey: strings.Repeat("k", 16), Data: bytes.Repeat([]byte{byte(i)}, 1024)}
	}
	return records
}

func BenchmarkAppendBlock(b *testing.B) {
	records := benchRecords()
	buf := make([]byte, 0, BlockSize(records))
	b.SetBytes(int64(cap(buf)))
	b.ReportAllocs()
	for b.Loop() {
		AppendBlock(buf, BlockHeader{First: 1}, records)
	}
}

func BenchmarkReadBlock(b *testing.B) {
	encoded := AppendBlock(nil, BlockHeader{First: 1}, benchRecords())
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		block, err := ParseBlock(encoded)
		if err != nil {
			b.Fatal(err)
		}
		for range block.All() {
		}
	}
}
