package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/runnel-io/runnel/broker"
)

var shardLabels = []string{"stream", "shard"}

// RegisterShards tells of every open shard, and of closed ones while they hold
// counts. stats is called by each scrape.
func RegisterShards(reg prometheus.Registerer, stats func() []broker.ShardStats) {
	type shard = broker.ShardStats
	reg.MustRegister(&source[shard]{
		numbers: []scraped[shard]{
			counter("runnel_shard_in_records_total", "Records put into the shard since the node started.", shardLabels,
				func(s shard) float64 { return float64(s.InRecords) }),
			counter("runnel_shard_in_bytes_total", "Bytes of data and keys put into the shard since the node started.", shardLabels,
				func(s shard) float64 { return float64(s.InBytes) }),
			counter("runnel_shard_out_records_total", "Records read from the shard since the node started.", shardLabels,
				func(s shard) float64 { return float64(s.OutRecords) }),
			counter("runnel_shard_out_bytes_total", "Bytes read from the shard since the node started.", shardLabels,
				func(s shard) float64 { return float64(s.OutBytes) }),
			counter("runnel_shard_write_throttled_records_total", "Records refused because the shard's write quota was exceeded.", shardLabels,
				func(s shard) float64 { return float64(s.WriteThrottles) }),
			counter("runnel_shard_read_throttled_calls_total", "Reads refused because the shard's read quota was exceeded.", shardLabels,
				func(s shard) float64 { return float64(s.ReadThrottles) }),
			gauge("runnel_shard_iterator_age_seconds", "How far behind the tip of the shard its last read was.", shardLabels,
				func(s shard) float64 { return float64(s.IteratorAgeMs) / 1000 }),
		},
		things: func(yield func(shard, ...string)) {
			for _, s := range stats() {
				yield(s, s.StreamName, s.ID.Name())
			}
		},
	})
}
