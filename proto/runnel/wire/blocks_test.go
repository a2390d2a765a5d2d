package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
)

func pushOf(sizes ...int) *runnelv1.SubscribeBlocks {
	m := &runnelv1.SubscribeBlocks{Next: 99, MillisBehind: 7}
	for i, n := range sizes {
		m.Blocks = append(m.Blocks, &runnelv1.Block{Encoded: bytes.Repeat([]byte{byte(i + 1)}, n), First: uint64(i), Last: uint64(i + 3)})
	}
	return m
}

// A push is on the wire what the library makes of the message, and is told when
// it is sent.
func TestPush(t *testing.T) {
	for _, m := range []*runnelv1.SubscribeBlocks{
		{}, {Next: 5}, pushOf(), pushOf(0), pushOf(1, 2), pushOf(copyBelow-1, copyBelow, copyBelow+1, 10), pushOf(3*copyBelow, 1),
	} {
		sent := 0
		data, err := Codec().Marshal(&Push{Blocks: m, Sent: func() { sent++ }})
		if err != nil {
			t.Fatal(err)
		}
		whole := data.Materialize()
		var plain, ours runnelv1.SubscribeResponse
		if err := proto.Unmarshal(whole, &plain); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(plain.GetBlocks(), m) {
			t.Errorf("the library reads %v, want %v", plain.GetBlocks(), m)
		}
		if err := Codec().Unmarshal(data, &ours); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&plain, &ours) {
			t.Errorf("the codec reads %v, want %v", &ours, &plain)
		}
		if sent != 0 {
			t.Error("it was sent while it was held")
		}
		data.Free()
		if sent != 1 {
			t.Errorf("it was sent %d times", sent)
		}
	}
}

// The answer to a read is what the library makes of it, too.
func TestRead(t *testing.T) {
	m := &runnelv1.ReadRecordsResponse{Blocks: pushOf(3, copyBelow, 5).Blocks, NextIterator: "next", MillisBehind: 4, CreatedSec: 5, Shard: 6}
	sent := 0
	for _, v := range []any{m, &Read{Response: m}, &Read{Response: m, Sent: func() { sent++ }}} {
		data, err := Codec().Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got runnelv1.ReadRecordsResponse
		if err := proto.Unmarshal(data.Materialize(), &got); err != nil || !proto.Equal(&got, m) {
			t.Errorf("the library reads %v, %v", &got, err)
		}
		data.Free()
	}
	if sent != 1 {
		t.Errorf("it was sent %d times", sent)
	}
}

func TestPushThatTellsNobody(t *testing.T) {
	data, err := Codec().Marshal(&Push{Blocks: pushOf(4)})
	if err != nil {
		t.Fatal(err)
	}
	data.Free()
	var m runnelv1.SubscribeResponse
	if err := Codec().Unmarshal(data, &m); err != nil || len(m.GetBlocks().GetBlocks()) != 1 {
		t.Errorf("got %v, %v", &m, err)
	}
}
