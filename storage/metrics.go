package storage

// Metrics is what the store has done since it was opened, and its size.
type Metrics struct {
	WALBytes        uint64 // written to the log
	FlushedBytes    uint64 // written by flushes
	CompactedBytes  uint64 // written by compactions
	CompactionDebt  uint64 // estimated bytes that compactions have still to write
	TableBytes      uint64 // live tables
	MemtableBytes   uint64
	CacheHits       int64
	CacheMisses     int64
	Compactions     int64
	L0Tables        int64
	ReadAmp         int
	FreeBytesSpared int64 // above the reserve at the last look
}

// Metrics is cheap enough for a scrape, not for a request.
func (s *Store) Metrics() Metrics {
	m := s.db.Metrics()
	total := m.Total()
	out := Metrics{
		WALBytes:        m.WAL.BytesWritten,
		CompactionDebt:  m.Compact.EstimatedDebt,
		MemtableBytes:   m.MemTable.Size,
		CacheHits:       m.BlockCache.Hits,
		CacheMisses:     m.BlockCache.Misses,
		Compactions:     m.Compact.Count,
		L0Tables:        m.Levels[0].TablesCount,
		ReadAmp:         m.ReadAmp(),
		TableBytes:      uint64(total.TablesSize), //nolint:gosec // a size
		FreeBytesSpared: s.reserve.free.Load(),
	}
	for i := range m.Levels {
		out.FlushedBytes += m.Levels[i].TableBytesFlushed
		out.CompactedBytes += m.Levels[i].TableBytesCompacted
	}
	return out
}

// Flush writes what is in memory to tables and returns when that is on disk.
func (s *Store) Flush() error { return s.db.Flush() }

// DiskBytes estimates what the rows of [lower, upper) take on disk.
func (s *Store) DiskBytes(lower, upper []byte) (uint64, error) {
	return s.db.EstimateDiskUsage(lower, upper)
}
