package storage

import "fmt"

// MakeRoom sees to it that the rows that are committed next come to lie in the
// same memtable, and so in the same table, if they are of so many bytes: without
// room for them the present memtable is flushed now. It does not wait for that.
func (s *Store) MakeRoom(bytes int64) error {
	if err := s.Err(); err != nil {
		return err
	}
	if s.events.filled.Load()+bytes+bytes/memtableOverhead < s.cfg.MemtableBytes {
		return nil
	}
	if _, err := s.db.AsyncFlush(); err != nil {
		return fmt.Errorf("begin a memtable: %w", asDiskFull(err))
	}
	return nil
}

// memtableOverhead: rows take about an eighth more in a memtable than in a batch.
const memtableOverhead = 8
