package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
)

// Codec codes all messages of runnel.v1. Both ends may use it or not, in any
// combination: what is on the wire is the same. Servers take it with
// grpc.ForceServerCodecV2, clients with grpc.ForceCodecV2.
//
// What it decodes aliases memory that is never reused (but see PutBatch.Free),
// and blocks it encodes must never change, which they do not.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

type codec struct{ plain encoding.CodecV2 }

// encoder and decoder are messages that code themselves.
type encoder interface{ encode() mem.BufferSlice }

type decoder interface{ decode(mem.BufferSlice) error }

func (c codec) Name() string { return proto.Name }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case encoder:
		return m.encode(), nil
	case *runnelv1.ReadRecordsResponse:
		return encodeRead(m, nil)
	case *Read:
		return encodeRead(m.Response, m.Sent)
	}
	return c.plain.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case decoder:
		return m.decode(data)
	case *runnelv1.PutRecordsRequest:
		return decodePutRecords(data, m)
	case *runnelv1.ReadRecordsResponse:
		return decodeRead(data, m)
	case *runnelv1.SubscribeResponse:
		return decodePush(data, m)
	}
	return c.plain.Unmarshal(data, v)
}
