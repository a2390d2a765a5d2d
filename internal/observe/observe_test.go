package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

func TestShards(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	RegisterShards(reg, func() []broker.ShardStats {
		return []broker.ShardStats{
			{StreamName: "a", ID: stream.ShardID{Stream: 1}, InRecords: 2, InBytes: 30, OutRecords: 1, OutBytes: 15, IteratorAgeMs: 1500},
			{StreamName: "b", ID: stream.ShardID{Stream: 2, Index: 1}, WriteThrottles: 4, ReadThrottles: 5},
		}
	})
	want := `
# HELP runnel_shard_in_records_total Records put into the shard since the node started.
# TYPE runnel_shard_in_records_total counter
runnel_shard_in_records_total{shard="shardId-000000000000",stream="a"} 2
runnel_shard_in_records_total{shard="shardId-000000000001",stream="b"} 0
# HELP runnel_shard_iterator_age_seconds How far behind the tip of the shard its last read was.
# TYPE runnel_shard_iterator_age_seconds gauge
runnel_shard_iterator_age_seconds{shard="shardId-000000000000",stream="a"} 1.5
runnel_shard_iterator_age_seconds{shard="shardId-000000000001",stream="b"} 0
# HELP runnel_shard_write_throttled_records_total Records refused because the shard's write quota was exceeded.
# TYPE runnel_shard_write_throttled_records_total counter
runnel_shard_write_throttled_records_total{shard="shardId-000000000000",stream="a"} 0
runnel_shard_write_throttled_records_total{shard="shardId-000000000001",stream="b"} 4
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"runnel_shard_in_records_total", "runnel_shard_iterator_age_seconds", "runnel_shard_write_throttled_records_total")
	if err != nil {
		t.Fatal(err)
	}
}

// All metrics together, as a node registers them: no two of a name, all named
// after the product.
func TestNames(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	RegisterShards(reg, func() []broker.ShardStats { return []broker.ShardStats{{StreamName: "a"}} })
	RegisterStore(reg, func() storage.Metrics { return storage.Metrics{} })
	RegisterTailCache(reg, func() broker.TailCacheStats { return broker.TailCacheStats{} })
	l := NewLog(reg)
	l.Synced(0.001)
	l.Groups().LogWritten(1, 2, 3, time.Millisecond)
	l.Groups().Applied(0, 2, time.Millisecond)
	r := NewRequests(reg)
	r.Answered("PutRecord", "", time.Millisecond)
	r.Answered("", "UnknownOperationException", time.Millisecond)
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "runnel_") {
			t.Errorf("%s", f.GetName())
		}
	}
	if len(families) < 20 {
		t.Errorf("only %d metrics", len(families))
	}
}

func TestLogger(t *testing.T) {
	for format, want := range map[string]string{"text": "msg=told", "json": `"msg":"told"`} {
		var b bytes.Buffer
		l := NewLogger(&b, format, slog.LevelWarn)
		l.Info("not told")
		l.Warn("told", "error", traced{})
		if got := b.String(); !strings.Contains(got, want) || strings.Contains(got, "not told") || strings.Contains(got, "stack") {
			t.Errorf("%s: %q", format, got)
		}
	}
}

// traced is an error that shows a stack to those who ask for every detail.
type traced struct{}

func (traced) Error() string { return "failed" }

func (traced) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("failed\nstack")) }
