package producer

import (
	"errors"
	"fmt"
	"time"

	"github.com/runnel-io/runnel/stream"
)

// ErrClosed is the cause of the error of records that a closed producer did
// not store.
var ErrClosed = errors.New("the producer is closed")

// Config is how a producer behaves. Zero fields stand for the defaults.
type Config struct {
	// Lanes is how many batches may be under way at once; 4. Records of one key
	// are always in one lane.
	Lanes int
	// BufferBytes and BufferRecords are how much may be unanswered before Put
	// waits; 32 MiB and 50,000.
	BufferBytes   int64
	BufferRecords int
	// Linger is how long a batch that is not full may wait for more; 0.
	Linger time.Duration
	// Timeout is how long a record may be tried, from Put on, before its result
	// is an error; 2 minutes.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Lanes == 0 {
		c.Lanes = 4
	}
	if c.BufferBytes == 0 {
		c.BufferBytes = 32 << 20
	}
	if c.BufferRecords == 0 {
		c.BufferRecords = 50_000
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	return c
}

func (c Config) validate() error {
	if c.Lanes < 1 || c.BufferBytes < stream.MaxRecordBytes || c.BufferRecords < 1 || c.Linger < 0 || c.Timeout < 0 {
		return fmt.Errorf("producer: lanes, records and times must not be negative, and the buffer must hold a record: %+v", c)
	}
	return nil
}

// Result is what became of one record. If Err is nil it is stored and synced.
type Result struct {
	Sequence stream.Sequence
	Attempts int   // batches that it was part of
	Err      error // a *stream.Error
}

// Summary counts what a producer did. Bytes are of data and keys.
type Summary struct {
	Records, Bytes uint64 // stored
	Retries        uint64 // records that were sent again, once for each time
	Failed         uint64 // records given up
}
