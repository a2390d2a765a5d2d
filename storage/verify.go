package storage

import (
	"context"
	"errors"
	"fmt"
)

// Verify reads every row of the store and so the checksum of every block of
// every table. It returns the first damage. Progress is told in bytes of keys
// and values, total being an estimate; pace, if not nil, is called with the
// bytes of each step and may wait.
func (s *Store) Verify(ctx context.Context, progress func(done, total int64), pace func(bytes int) error) (err error) {
	m := s.db.Metrics()
	total := int64(m.Total().TablesSize) + int64(m.MemTable.Size) //nolint:gosec // sizes of files
	it, err := s.NewIter(nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	const step = 4 << 20
	var done int64
	pending := 0
	for ok := it.First(); ok; ok = it.Next() {
		n := len(it.Key()) + len(it.Value())
		done += int64(n)
		if pending += n; pending < step {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if progress != nil {
			progress(done, max(total, done))
		}
		if pace != nil {
			if err := pace(pending); err != nil {
				return err
			}
		}
		pending = 0
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if progress != nil {
		progress(done, done)
	}
	return nil
}
