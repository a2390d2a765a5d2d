package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/storage"
)

// RegisterStore tells what the store wrote, holds and has still to do.
func RegisterStore(reg prometheus.Registerer, metrics func() storage.Metrics) {
	type m = storage.Metrics
	reg.MustRegister(&source[m]{
		numbers: []scraped[m]{
			counter("runnel_store_wal_bytes_total", "Bytes written to the write-ahead log.", nil, func(s m) float64 { return float64(s.WALBytes) }),
			counter("runnel_store_flushed_bytes_total", "Bytes written to tables by flushes.", nil, func(s m) float64 { return float64(s.FlushedBytes) }),
			counter("runnel_store_compacted_bytes_total", "Bytes written to tables by compactions.", nil, func(s m) float64 { return float64(s.CompactedBytes) }),
			counter("runnel_store_compactions_total", "Compactions.", nil, func(s m) float64 { return float64(s.Compactions) }),
			gauge("runnel_store_compaction_debt_bytes", "Estimated bytes that compactions have still to write.", nil, func(s m) float64 { return float64(s.CompactionDebt) }),
			gauge("runnel_store_table_bytes", "Bytes of live tables.", nil, func(s m) float64 { return float64(s.TableBytes) }),
			gauge("runnel_store_memtable_bytes", "Bytes of memtables.", nil, func(s m) float64 { return float64(s.MemtableBytes) }),
			gauge("runnel_store_spare_bytes", "Free bytes of the disk above the reserve; writes are refused at zero.", nil, func(s m) float64 { return float64(s.FreeBytesSpared) }),
			counter("runnel_store_cache_hits_total", "Blocks of tables found in the store's cache.", nil, func(s m) float64 { return float64(s.CacheHits) }),
			counter("runnel_store_cache_misses_total", "Blocks of tables read from the file system.", nil, func(s m) float64 { return float64(s.CacheMisses) }),
		},
		things: func(yield func(m, ...string)) { yield(metrics()) },
	})
}

// RegisterTailCache tells how often readers found recent records in memory.
func RegisterTailCache(reg prometheus.Registerer, stats func() broker.TailCacheStats) {
	type c = broker.TailCacheStats
	reg.MustRegister(&source[c]{
		numbers: []scraped[c]{
			counter("runnel_tail_cache_hits_total", "Blocks of records that readers found in the tail cache.", nil, func(s c) float64 { return float64(s.Hits) }),
			counter("runnel_tail_cache_misses_total", "Blocks of records that had to come from the store.", nil, func(s c) float64 { return float64(s.Misses) }),
			gauge("runnel_tail_cache_bytes", "Bytes in the tail cache.", nil, func(s c) float64 { return float64(s.Bytes) }),
		},
		things: func(yield func(c, ...string)) { yield(stats()) },
	})
}
