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
	account string

	mu sync.Mutex
	of []*quota.Keyed[string] // by operation; nil without quotas
}

func newControlRates(cfg Config) *controlRates {
	c := &controlRates{account: cfg.Account}
	if cfg.Quotas {
		for _, l := range controlLimits {
			c.of = append(c.of, quota.NewKeyed[string](l.perSecond))
		}
	}
	return c
}

// charge counts a call, or refuses it.
func (c *controlRates) charge(op controlOp, name string, now time.Time) error {
	if c.of == nil {
		return nil
	}
	key := ""
	if controlLimits[op].perStream {
		key = name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[op].Take(now, key) {
		return nil
	}
	if name == "" {
		return stream.Errorf(stream.CodeLimitExceeded, "Rate exceeded for account %s.", c.account)
	}
	return stream.Errorf(stream.CodeLimitExceeded, "Rate exceeded for stream %s under account %s.", name, c.account)
}
