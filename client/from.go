package client

import (
	"time"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// From is the place in a shard where reading begins. The zero value is the
// horizon.
type From struct {
	kind     runnelv1.From_Kind
	sequence string
	ms       int64
	position stream.Position
}

// Horizon is the oldest record that is kept.
func Horizon() From { return From{} }

// Latest is after the newest record at the time of the call.
func Latest() From { return From{kind: runnelv1.From_KIND_LATEST} }

// At is the record with this sequence number.
func At(s stream.Sequence) From { return AtText(s.String()) }

// After is behind the record with this sequence number.
func After(s stream.Sequence) From { return AfterText(s.String()) }

// AtText is At for the text of a number.
func AtText(sequence string) From {
	return From{kind: runnelv1.From_KIND_AT_SEQUENCE, sequence: sequence}
}

// AfterText is After for the text of a number.
func AfterText(sequence string) From {
	return From{kind: runnelv1.From_KIND_AFTER_SEQUENCE, sequence: sequence}
}

// AtTime is the first record that arrived at t or later.
func AtTime(t time.Time) From {
	return From{kind: runnelv1.From_KIND_AT_TIMESTAMP, ms: t.UnixMilli()}
}

// atPosition is how a reader resumes.
func atPosition(p stream.Position) From {
	return From{kind: runnelv1.From_KIND_AT_POSITION, position: p}
}

func (f From) message() *runnelv1.From {
	kind := f.kind
	if kind == runnelv1.From_KIND_UNSPECIFIED {
		kind = runnelv1.From_KIND_TRIM_HORIZON
	}
	return &runnelv1.From{Kind: kind, Sequence: f.sequence, TimestampMs: f.ms, Position: uint64(f.position)}
}

// filter chooses the shards that have something to read from the place on.
func (f From) filter() ShardFilter {
	switch f.kind {
	case runnelv1.From_KIND_LATEST:
		return ShardFilter{Kind: FilterAtLatest}
	case runnelv1.From_KIND_AT_TIMESTAMP:
		return ShardFilter{Kind: FilterFromTimestamp, Time: time.UnixMilli(f.ms)}
	case runnelv1.From_KIND_UNSPECIFIED, runnelv1.From_KIND_TRIM_HORIZON:
		return ShardFilter{Kind: FilterFromTrimHorizon}
	}
	return ShardFilter{}
}
