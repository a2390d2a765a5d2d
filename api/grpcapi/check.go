package grpcapi

import (
	"math"
	"unicode/utf8"

	"github.com/runnel-io/runnel/stream"
)

const (
	maxCount       = math.MaxInt32
	maxPage        = 10_000
	defaultStreams = 100
	defaultShards  = 1_000
	maxShardName   = 128
	maxSequence    = 128
	maxIterator    = 512
)

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func orElse(n, otherwise uint32) uint32 {
	if n == 0 {
		return otherwise
	}
	return n
}

func clamp(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func checkRange(what string, n, least, most uint32) error {
	if n < least || n > most {
		return stream.Errorf(stream.CodeValidation, "%s is %d, allowed are %d to %d", what, n, least, most)
	}
	return nil
}

func checkRetention(hours uint32) error {
	return checkRange("retention in hours", hours, stream.MinRetentionHours, stream.MaxRetentionHours)
}

func checkGiven(what string, given bool) error {
	if !given {
		return stream.Errorf(stream.CodeValidation, "%s is missing", what)
	}
	return nil
}

func checkText(what, text string, most int) error {
	if text == "" || len(text) > most {
		return stream.Errorf(stream.CodeValidation, "%s has %d bytes, allowed are 1 to %d", what, len(text), most)
	}
	return nil
}

func checkShard(name string) error { return checkText("shard id", name, maxShardName) }

// checkRecord is about form; what a stream allows, the broker says.
func checkRecord(key string, data int) *stream.Error {
	runes := utf8.RuneCountInString(key)
	if runes < 1 || runes > stream.MaxPartitionKeyRunes {
		return stream.Errorf(stream.CodeValidation, "partition key has %d characters, allowed are 1 to %d", runes, stream.MaxPartitionKeyRunes)
	}
	if size := len(key) + data; size > stream.MaxRecordBytes {
		return stream.Errorf(stream.CodeValidation, "record has %d bytes, at most %d are allowed", size, stream.MaxRecordBytes)
	}
	return nil
}

func checkBatch(records int, bytes int) *stream.Error {
	if records < 1 || records > stream.MaxPutRecords {
		return stream.Errorf(stream.CodeValidation, "batch has %d records, allowed are 1 to %d", records, stream.MaxPutRecords)
	}
	if bytes > stream.MaxPutBytes {
		return stream.Errorf(stream.CodeValidation, "batch has %d bytes, at most %d are allowed", bytes, stream.MaxPutBytes)
	}
	return nil
}
