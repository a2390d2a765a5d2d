package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/quota"
	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/stream"
)

// shardTable is what this node keeps of shards while it runs: quotas and
// counters. A shard that nobody uses has no entry.
type shardTable struct{ m sync.Map } // stream.ShardID -> *shardRuntime

// shardRuntime is the run-time state of one shard.
type shardRuntime struct {
	writeThrottles atomic.Uint64
	readThrottles  atomic.Uint64
	ageMs          atomic.Int64 // how far behind the last read was

	mu       sync.Mutex
	write    *quota.Write  // nil before the first charge
	read     *quota.Read   // likewise
	iterator *quota.Bucket // likewise
}

func (t *shardTable) of(id stream.ShardID) *shardRuntime {
	if rt, ok := t.m.Load(id); ok {
		return rt.(*shardRuntime)
	}
	rt, _ := t.m.LoadOrStore(id, &shardRuntime{})
	return rt.(*shardRuntime)
}

// sweep drops shards that are no more.
func (t *shardTable) sweep(meta *metadata.Machine) {
	t.m.Range(func(k, _ any) bool {
		id := k.(stream.ShardID)
		s, ok := meta.StreamByID(id.Stream)
		if ok {
			_, ok = s.Shard(id.Index)
		}
		if !ok {
			t.m.Delete(k)
		}
		return true
	})
}

// chargeWrite charges records one after the other and tells how many the quota
// allows: after the first it refuses, none is charged.
func (rt *shardRuntime) chargeWrite(now time.Time, fresh bool, records []PutRecord, which []int32) int {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.write == nil {
		w := quota.NewWrite(quota.Kinesis(), now)
		if !fresh {
			w.Halve()
		}
		rt.write = &w
	}
	for n, i := range which {
		if !rt.write.Take(now, len(records[i].Data)+len(records[i].PartitionKey)) {
			rt.writeThrottles.Add(uint64(len(which) - n))
			return n
		}
	}
	return len(which)
}

func (rt *shardRuntime) takeRead(now time.Time, fresh bool) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.read == nil {
		r := quota.NewRead(quota.Kinesis(), now)
		if !fresh {
			r.Halve()
		}
		rt.read = &r
	}
	return rt.read.Take(now)
}

// payRead takes what a read returned, which may put the shard in debt.
func (rt *shardRuntime) payRead(now time.Time, bytes int) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.read != nil {
		rt.read.Pay(now, bytes)
	}
}

func (rt *shardRuntime) takeIterator(now time.Time, fresh bool) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.iterator == nil {
		perSecond := quota.Kinesis().Iterators
		b := quota.NewBucket(perSecond, perSecond, now)
		if !fresh {
			b.Halve()
		}
		rt.iterator = &b
	}
	return rt.iterator.Take(now, 1)
}

// fresh tells whether a shard was opened since this node started. Else the node
// does not know what was granted before, and starts with half-full buckets.
func (b *Broker) fresh(sh *metadata.Shard) bool { return sh.OpenedMs >= b.startMs }

func (b *Broker) writeThrottled(name string, index uint32) *stream.Error {
	return stream.Errorf(stream.CodeThroughputExceeded, "Rate exceeded for shard %s in stream %s under account %s.",
		stream.ShardName(index), name, b.cfg.Account)
}

func (b *Broker) chargeIterator(r reader) error {
	if !b.cfg.Quotas || r.shard.Phase == metadata.Closed {
		return nil // the rate is that of open shards
	}
	if b.shards.of(r.shard.ID).takeIterator(b.cfg.Now(), b.fresh(r.shard)) {
		return nil
	}
	return b.writeThrottled(r.stream.Name, r.shard.ID.Index)
}

func (b *Broker) chargeRead(r reader) error {
	if !b.cfg.Quotas {
		return nil
	}
	rt := b.shards.of(r.shard.ID)
	if rt.takeRead(b.cfg.Now(), b.fresh(r.shard)) {
		return nil
	}
	rt.readThrottles.Add(1)
	return stream.Errorf(stream.CodeThroughputExceeded, "Rate exceeded for Shard - %s/%s/%s",
		b.cfg.Account, r.stream.Name, r.shard.ID.Name())
}

func (b *Broker) payRead(r reader, bytes int) {
	if b.cfg.Quotas {
		b.shards.of(r.shard.ID).payRead(b.cfg.Now(), bytes)
	}
}

// ShardStats lists the counters of all shards of this node, in no order.
func (b *Broker) ShardStats() []ShardStats {
	var out []ShardStats
	for _, g := range b.groupList() {
		for _, st := range g.machine.Stats() {
			s, ok := b.meta.StreamByID(st.ID.Stream)
			if !ok {
				continue
			}
			sh, ok := s.Shard(st.ID.Index)
			if !ok || sh.Phase == metadata.Planned {
				continue
			}
			one := ShardStats{
				StreamName: s.Name, ID: st.ID, Open: sh.Phase == metadata.Open, InRecords: st.InRecords, InBytes: st.InBytes,
				OutRecords: st.OutRecords, OutBytes: st.OutBytes,
			}
			if v, ok := b.shards.m.Load(st.ID); ok {
				rt := v.(*shardRuntime)
				one.WriteThrottles, one.ReadThrottles = rt.writeThrottles.Load(), rt.readThrottles.Load()
				one.IteratorAgeMs = rt.ageMs.Load()
			}
			out = append(out, one)
		}
	}
	return out
}

// TailCacheStats are the counters of the cache of recent blocks.
type TailCacheStats = tailcache.Stats

// TailCacheStats tells how often readers found recent blocks in memory.
func (b *Broker) TailCacheStats() TailCacheStats { return b.cache.Stats() }
