package coalesce

import "github.com/runnel-io/runnel/stream"

// Batch is records of one shard that keep their order. The records are read
// until Append returns, and not after.
type Batch struct {
	Shard   stream.ShardID
	Records []stream.Record
}

// Span is what became of consecutive records of a batch.
type Span struct {
	Count     int
	First     stream.Position // of the first of them, the others follow one by one; 0 if Err
	ArrivedMs int64
	// Err tells that these records were not stored (or, with
	// stream.CodeUnknownOutcome, may have been): *shardlog.ClosedError for a
	// closed shard, else a *stream.Error.
	Err error
}

// Result is what became of a batch: its spans cover all its records in order.
type Result struct{ Spans []Span }
