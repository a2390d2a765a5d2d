package main

import (
	"fmt"
	"time"

	"github.com/runnel-io/runnel/internal/feed"
	"github.com/runnel-io/runnel/stream"
)

// putView is the summary of a put as --output json shows it.
type putView struct {
	Stream     string         `json:"stream"`
	Lines      int64          `json:"lines"`
	Records    int64          `json:"records"`
	Bytes      int64          `json:"bytes"`
	Retries    int64          `json:"retries"`
	Skipped    int64          `json:"skipped"`
	Failed     int64          `json:"failed"`
	Unanswered int64          `json:"unanswered"`
	StoredTo   int64          `json:"storedToLine"`
	Seconds    float64        `json:"seconds"`
	Shards     []putShardView `json:"shards"`
	took       time.Duration
}

type putShardView struct {
	Shard   string `json:"shard"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	First   string `json:"firstSequence"`
	Last    string `json:"lastSequence"`
}

func summaryView(name string, sum feed.Summary, retries int64, d time.Duration) putView {
	v := putView{
		Stream: name, Lines: sum.Read, Records: sum.Records, Bytes: sum.Bytes, Retries: retries, Skipped: sum.Skipped,
		Failed: sum.Failed, Unanswered: sum.Unanswered, StoredTo: sum.StoredTo, Seconds: d.Seconds(),
		Shards: []putShardView{}, took: d,
	}
	for _, s := range sum.Shards {
		v.Shards = append(v.Shards, putShardView{stream.ShardName(s.Shard), s.Records, s.Bytes, s.First.String(), s.Last.String()})
	}
	return v
}

func (p *put) print(v putView) error {
	if p.json() {
		return printJSON(p.std.out, v)
	}
	rate := float64(v.Records) / max(v.Seconds, 1e-3)
	fmt.Fprintf(p.std.out, "%s into %s: %s in %s (%s records/s), %s\n", plural(v.Records, "record"), v.Stream,
		size(v.Bytes), took(v.took), number(int64(rate)), retried(v.Retries))
	if v.Skipped > 0 {
		fmt.Fprintf(p.std.out, "%s skipped\n", plural(v.Skipped, "line"))
	}
	if len(v.Shards) == 0 {
		return nil
	}
	t := newTable(p.std.out, "SHARD", "RECORDS", "BYTES", "LAST SEQUENCE NUMBER")
	for _, s := range v.Shards {
		t.row(s.Shard, number(s.Records), size(s.Bytes), s.Last)
	}
	return t.flush()
}

func retried(n int64) string {
	switch n {
	case 0:
		return "no retries"
	case 1:
		return "1 retry"
	}
	return number(n) + " retries"
}
