package broker

import (
	"sync"
	"time"

	"github.com/runnel-io/runnel/broker/quota"
	"github.com/runnel-io/runnel/stream"
)

// controlOp is a call of the control plane that has a rate.
type controlOp uint8

const (
	opCreateStream controlOp = iota
	opDeleteStream
	opDescribeStream
	opDescribeStreamSummary
	opListStreams
	opListShards
	opSplitShard
	opMergeShards
	opUpdateShardCount
	opIncreaseRetention
	opDecreaseRetention
)

// controlLimit is calls per second, of the account or of one stream.
type controlLimit struct {
	perSecond float64
	perStream bool
}

var controlLimits = [...]controlLimit{
	opCreateStream:          {perSecond: 5},
	opDeleteStream:          {perSecond: 5},
	opDescribeStream:        {perSecond: 10},
	opDescribeStreamSummary: {perSecond: 20},
	opListStreams:           {perSecond: 5},
	opListShards:            {perSecond: 1000, perStream: true},
	opSplitShard:            {perSecond: 5},
	opMergeShards:           {perSecond: 5},
	opUpdateShardCount:      {perSecond: 10},
	opIncreaseRetention:     {perSecond: 5, perStream: true},
	opDecreaseRetention:     {perSecond: 5, perStream: true},
}

// controlRates limit the calls of the control plane. They are kept by the node
// that leads the metadata.
type controlRates struct {
	on  bool
	acc string

	mu      sync.Mutex
	buckets map[controlKey]*quota.Bucket
}

type controlKey struct {
	op     controlOp
	stream string
}

// maxControlBuckets bounds the memory that made-up stream names can take.
const maxControlBuckets = 10_000

func newControlRates(cfg Config) *controlRates {
	return &controlRates{on: cfg.Quotas, acc: cfg.Account, buckets: make(map[controlKey]*quota.Bucket)}
}

// charge counts a call, or refuses it.
func (c *controlRates) charge(op controlOp, name string, now time.Time) error {
	if !c.on {
		return nil
	}
	limit := controlLimits[op]
	k := controlKey{op: op}
	if limit.perStream {
		k.stream = name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.buckets[k]
	if !ok {
		if len(c.buckets) >= maxControlBuckets {
			clear(c.buckets)
		}
		fresh := quota.NewBucket(limit.perSecond, limit.perSecond, now)
		b = &fresh
		c.buckets[k] = b
	}
	if b.Take(now, 1) {
		return nil
	}
	if name == "" {
		return stream.Errorf(stream.CodeLimitExceeded, "Rate exceeded for account %s.", c.acc)
	}
	return stream.Errorf(stream.CodeLimitExceeded, "Rate exceeded for stream %s under account %s.", name, c.acc)
}
