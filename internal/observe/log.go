package observe

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runnel-io/runnel/raftlog"
)

// Log measures the replicated log as it is written. Its methods may run
// together and take well under a microsecond.
type Log struct {
	sync           prometheus.Histogram
	written        *prometheus.HistogramVec
	entries, bytes *prometheus.HistogramVec
	applied        *prometheus.HistogramVec
}

// NewLog registers the metrics of the log.
func NewLog(reg prometheus.Registerer) *Log {
	group := []string{"group"}
	seconds := prometheus.ExponentialBuckets(50e-6, 2, 18) // 50 µs to 6.5 s
	l := &Log{
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "runnel_log_sync_seconds", Help: "How long a synced write of the store took, waiting included.", Buckets: seconds,
		}),
		written: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runnel_log_write_seconds", Help: "How long it took to store and sync a batch of log entries.", Buckets: seconds,
		}, group),
		entries: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runnel_log_batch_entries", Help: "Log entries stored by one sync.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}, group),
		bytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runnel_log_batch_bytes", Help: "Bytes of log entries stored by one sync.", Buckets: prometheus.ExponentialBuckets(256, 4, 9),
		}, group),
		applied: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runnel_log_apply_seconds", Help: "How long it took to apply a batch of log entries.", Buckets: seconds,
		}, group),
	}
	reg.MustRegister(l.sync, l.written, l.entries, l.bytes, l.applied)
	return l
}

// Synced is for storage.Config.ObserveSync.
func (l *Log) Synced(seconds float64) { l.sync.Observe(seconds) }

// Groups is for raftlog.Config.Observe.
func (l *Log) Groups() raftlog.Observe {
	return raftlog.Observe{
		LogWritten: func(id raftlog.GroupID, entries, bytes int, took time.Duration) {
			group := groupName(id)
			l.written.WithLabelValues(group).Observe(took.Seconds())
			l.entries.WithLabelValues(group).Observe(float64(entries))
			l.bytes.WithLabelValues(group).Observe(float64(bytes))
		},
		Applied: func(id raftlog.GroupID, _ int, took time.Duration) {
			l.applied.WithLabelValues(groupName(id)).Observe(took.Seconds())
		},
	}
}

func groupName(id raftlog.GroupID) string {
	if id == raftlog.MetadataGroup {
		return "metadata"
	}
	return strconv.FormatUint(uint64(id), 10)
}
