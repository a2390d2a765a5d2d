package storage

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The reserve keeps free what the store needs to finish what it has begun:
// flushes of all memtables and the largest compaction. Bytes that were promised
// since the last look at the disk count as used.
const (
	reserveMemtables  = 4
	reserveCompaction = 128 << 20
	lookEvery         = 200 * time.Millisecond
	lookAfterBytes    = 16 << 20
)

type reserve struct {
	store    *Store
	next     atomic.Int64 // unix nanoseconds of the next look
	free     atomic.Int64 // above the reserve, at the last look
	promised atomic.Int64 // since then
	looked   atomic.Bool  // ever: free means nothing before
}

// CheckWritable tells whether bytes more may be written: ErrDiskFull if that
// would touch the reserve. Callers ask before they propose; the bytes then
// count as used.
func (s *Store) CheckWritable(bytes int64) error {
	if err := s.Err(); err != nil {
		return err
	}
	r := &s.reserve
	// What is put is written to the log and to a table.
	promised := r.promised.Add(2 * bytes)
	now := time.Now().UnixNano()
	next := r.next.Load()
	if (now >= next || promised > lookAfterBytes) && r.next.CompareAndSwap(next, now+int64(lookEvery)) || !r.looked.Load() {
		if err := r.look(); err != nil {
			return err
		}
	}
	if free := r.free.Load() - r.promised.Load(); free < 0 {
		return fmt.Errorf("%w: %d more bytes must be free in %s", ErrDiskFull, -free, s.cfg.Dir)
	}
	return nil
}

func (r *reserve) look() error {
	free, total, err := r.store.cfg.FreeBytes(r.store.cfg.Dir)
	if err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	r.free.Store(int64(free) - r.bytes(total))
	r.promised.Store(0)
	r.looked.Store(true)
	return nil
}

func (r *reserve) bytes(total uint64) int64 {
	if r.store.cfg.ReserveBytes > 0 {
		return r.store.cfg.ReserveBytes
	}
	return max(int64(total/20), reserveMemtables*r.store.cfg.MemtableBytes+reserveCompaction)
}

// freeBytes asks the file system; one in memory has no end.
func freeBytes(fs FS) func(string) (free, total uint64, err error) {
	return func(dir string) (uint64, uint64, error) {
		u, err := fs.GetDiskUsage(dir)
		if err == vfs.ErrUnsupported { //nolint:errorlint // Pebble returns it bare
			return 1 << 62, 0, nil
		}
		return u.AvailBytes, u.TotalBytes, err
	}
}
