package storage

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Batch is applied whole or not at all. It belongs to one goroutine.
type Batch struct {
	s *Store
	b *pebble.Batch
}

// NewBatch starts an empty batch. Close it, whether it was committed or not.
func (s *Store) NewBatch() *Batch { return &Batch{s, s.db.NewBatch()} }

// The writes below copy key and value. They cannot fail: Pebble returns errors
// only for indexed batches and for batches that were committed already.

// Set writes a row.
func (b *Batch) Set(key, value []byte) { _ = b.b.Set(key, value, nil) }

// SetDeferred adds a row and returns where its key and value are to be written
// before the next call on the batch. It saves a copy.
func (b *Batch) SetDeferred(keyBytes, valueBytes int) (key, value []byte) {
	op := b.b.SetDeferred(keyBytes, valueBytes)
	_ = op.Finish()
	return op.Key, op.Value
}

// Delete removes a row, if it is there.
func (b *Batch) Delete(key []byte) { _ = b.b.Delete(key, nil) }

// DeleteRange removes the rows of [start, end). Tables that lie wholly inside
// are dropped without being read.
func (b *Batch) DeleteRange(start, end []byte) { _ = b.b.DeleteRange(start, end, nil) }

// Bytes is the encoded size so far.
func (b *Batch) Bytes() int { return b.b.Len() }

// Count is the number of writes so far.
func (b *Batch) Count() int { return int(b.b.Count()) }

// Close frees the batch.
func (b *Batch) Close() { _ = b.b.Close() }

// Commit applies the batch. With sync it returns when the batch, and all that
// was committed before, is on disk; concurrent commits share an fsync. After an
// error nothing may be concluded about the batch, and the store has failed.
func (b *Batch) Commit(sync bool) error {
	if b.s.cfg.ReadOnly {
		return ErrReadOnly
	}
	if err := b.s.Err(); err != nil {
		return err
	}
	begun := time.Now()
	if err := b.b.Commit(&pebble.WriteOptions{Sync: sync && !noSync}); err != nil {
		err = fmt.Errorf("commit: %w", asDiskFull(err))
		b.s.fatal(err)
		return err
	}
	b.s.events.filled.Add(int64(b.b.Len()))
	if sync && b.s.cfg.ObserveSync != nil {
		b.s.cfg.ObserveSync(time.Since(begun).Seconds())
	}
	// An fsync that failed in another commit may have covered this one too.
	return b.s.Err()
}

// SyncWAL returns when all that was committed before is on disk.
func (s *Store) SyncWAL() error {
	b := s.NewBatch()
	defer b.Close()
	_ = b.b.LogData(nil, nil)
	return b.Commit(true)
}
