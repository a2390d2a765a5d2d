package wire

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

func slice(b []byte) mem.BufferSlice { return mem.BufferSlice{mem.SliceBuffer(b)} }

// A message of a few MiB names at most one record too many, however many empty
// ones it has.
func TestMillionsOfRecords(t *testing.T) {
	put := bytes.Repeat([]byte{putRecords<<3 | 2, 0}, 1_000_000)
	var batch PutBatch
	if err := Codec().Unmarshal(slice(put), &batch); err != nil || len(batch.Entries) != stream.MaxPutRecords+1 {
		t.Errorf("%d entries, %v", len(batch.Entries), err)
	}
	var req runnelv1.PutRecordsRequest
	put = append([]byte{1<<3 | 2, 1, 's'}, bytes.Repeat([]byte{2<<3 | 2, 0}, 1_000_000)...)
	if err := Codec().Unmarshal(slice(put), &req); err != nil || len(req.GetRecords()) != stream.MaxPutRecords+1 || req.GetStream() != "s" {
		t.Errorf("%d records, %v", len(req.GetRecords()), err)
	}
}

// Whatever comes over the wire, the codec reads what the library reads, or
// refuses it.
func FuzzUnmarshal(f *testing.F) {
	key := &runnelv1.HashKey{Hi: 1, Lo: 2}
	for _, m := range []proto.Message{
		&runnelv1.PutStreamRequest{Id: 7, Stream: "s", Records: []*runnelv1.PutEntry{{PartitionKey: "k", ExplicitHashKey: key, Data: []byte("d")}, {}}},
		&runnelv1.PutStreamResponse{Id: 7, Results: []*runnelv1.PutResult{{Sequence: &runnelv1.Sequence{Position: 9}}, {Error: &runnelv1.Error{Message: "no"}}}},
		&runnelv1.ReadRecordsResponse{Blocks: []*runnelv1.Block{{Encoded: []byte("b"), First: 1, Last: 2}}, NextIterator: "n"},
		&runnelv1.SubscribeResponse{Response: &runnelv1.SubscribeResponse_Blocks{Blocks: &runnelv1.SubscribeBlocks{Blocks: []*runnelv1.Block{{First: 1}}}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []proto.Message{&runnelv1.ReadRecordsResponse{}, &runnelv1.SubscribeResponse{}, &runnelv1.PutRecordsRequest{}} {
			plain := m.ProtoReflect().New().Interface()
			if Codec().Unmarshal(slice(b), m) == nil && proto.Unmarshal(b, plain) == nil {
				if read, ok := m.(*runnelv1.ReadRecordsResponse); ok && !sameBlocks(read, plain.(*runnelv1.ReadRecordsResponse)) {
					t.Errorf("the codec reads %v, the library %v", m, plain)
				}
			}
		}
		var batch PutBatch
		var req runnelv1.PutStreamRequest
		if Codec().Unmarshal(slice(b), &batch) == nil && proto.Unmarshal(b, &req) == nil {
			if batch.ID != req.GetId() || batch.Stream != req.GetStream() || len(batch.Entries) != min(len(req.GetRecords()), stream.MaxPutRecords+1) {
				t.Errorf("the codec reads %v, the library %v", batch, &req)
			}
		}
		_ = Codec().Unmarshal(slice(b), &PutAnswer{}) // does not panic
	})
}

func sameBlocks(a, b *runnelv1.ReadRecordsResponse) bool {
	if len(a.GetBlocks()) != len(b.GetBlocks()) {
		return false
	}
	for i, x := range a.GetBlocks() {
		if y := b.GetBlocks()[i]; !bytes.Equal(x.GetEncoded(), y.GetEncoded()) || x.GetFirst() != y.GetFirst() || x.GetLast() != y.GetLast() {
			return false
		}
	}
	return true
}
