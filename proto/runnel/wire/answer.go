package wire

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// Field numbers of PutStreamResponse, PutResult and Sequence.
const (
	answerID, answerResults, answerError          = 1, 2, 3
	resultSequence, resultError                   = 1, 2
	seqCreated, seqPosition, seqArrived, seqShard = 1, 2, 3, 4
	sequenceMax                                   = 4 * (1 + maxVarint)
)

// PutResult is a PutResult message: Sequence counts if Err is nil.
type PutResult struct {
	Sequence stream.Sequence
	Err      *stream.Error
}

// PutAnswer is a PutStreamResponse.
type PutAnswer struct {
	ID      uint64
	Results []PutResult
	Err     *stream.Error // the batch failed as a whole
}

func (a *PutAnswer) encode() mem.BufferSlice {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(32 + len(a.Results)*(sequenceMax+4))
	b := appendVarintField((*buf)[:0], answerID, a.ID)
	for i := range a.Results {
		b = appendResult(b, &a.Results[i])
	}
	if a.Err != nil {
		b = appendError(b, answerError, a.Err)
	}
	if cap(b) != cap(*buf) { // long error texts outgrew it
		pool.Put(buf)
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}
}

func appendResult(b []byte, r *PutResult) []byte {
	if r.Err != nil {
		sub := appendError(nil, resultError, r.Err)
		return append(appendBytesHead(b, answerResults, len(sub)), sub...)
	}
	var room [sequenceMax]byte
	seq := appendSequence(room[:0], r.Sequence)
	b = appendBytesHead(b, answerResults, sizeBytesField(len(seq)))
	return append(appendBytesHead(b, resultSequence, len(seq)), seq...)
}

func appendSequence(b []byte, s stream.Sequence) []byte {
	b = appendVarintField(b, seqCreated, uint64(s.CreatedSec))
	b = appendVarintField(b, seqPosition, uint64(s.Position))
	b = appendVarintField(b, seqArrived, uint64(s.ArrivedSec))
	return appendVarintField(b, seqShard, uint64(s.Shard))
}

func appendError(b []byte, num protowire.Number, e *stream.Error) []byte {
	sub, err := proto.Marshal(FromError(e))
	if err != nil { // the text is not UTF-8
		sub, _ = proto.Marshal(FromError(&stream.Error{Code: e.Code}))
	}
	return append(appendBytesHead(b, num, len(sub)), sub...)
}

func (a *PutAnswer) decode(data mem.BufferSlice) error {
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	*a = PutAnswer{Results: a.Results[:0]}
	return each(buf.ReadOnlyData(), func(f field) error {
		switch {
		case f.is(answerID, protowire.VarintType):
			a.ID = f.v
		case f.is(answerResults, protowire.BytesType):
			r, err := parseResult(f.b)
			a.Results = append(a.Results, r)
			return err
		case f.is(answerError, protowire.BytesType):
			var err error
			a.Err, err = parseError(f.b)
			return err
		}
		return nil
	})
}

func parseResult(msg []byte) (r PutResult, err error) {
	for len(msg) > 0 {
		f, rest, err := next(msg)
		if err != nil {
			return r, err
		}
		switch {
		case f.is(resultSequence, protowire.BytesType):
			err = parseSequence(f.b, &r.Sequence)
		case f.is(resultError, protowire.BytesType):
			r.Err, err = parseError(f.b)
		}
		if err != nil {
			return r, err
		}
		msg = rest
	}
	return r, nil
}

func parseSequence(msg []byte, s *stream.Sequence) error {
	for len(msg) > 0 {
		f, rest, err := next(msg)
		if err != nil {
			return err
		}
		if f.typ == protowire.VarintType {
			switch f.num {
			case seqCreated:
				s.CreatedSec = int64(f.v)
			case seqPosition:
				s.Position = stream.Position(f.v)
			case seqArrived:
				s.ArrivedSec = int64(f.v)
			case seqShard:
				s.Shard = uint32(f.v)
			}
		}
		msg = rest
	}
	return nil
}

func parseError(msg []byte) (*stream.Error, error) {
	var m runnelv1.Error
	if err := proto.Unmarshal(msg, &m); err != nil {
		return nil, errMalformed
	}
	return ToError(&m), nil
}
