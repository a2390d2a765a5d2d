package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/stream"
)

// controlBytes is what a control-plane change may take on disk, with its
// entries in the data groups.
const controlBytes = 1 << 20

// Limits that hold while quotas are on.
const (
	maxCreating     = 5  // streams CREATING at once
	maxScalesPerDay = 10 // UpdateShardCount calls for one stream
)

func (b *Broker) limits() metadata.Limits {
	l := metadata.Limits{Shards: uint32(b.cfg.ShardLimit)}
	if b.cfg.Quotas {
		l.Creating, l.ScalesPerDay = maxCreating, maxScalesPerDay
	}
	return l
}

// dueMs is when a life-cycle state that begins now may end.
func (b *Broker) dueMs() int64 {
	return b.metaMs() + b.cfg.LifecycleDelay.Milliseconds()
}

// admit charges the control plane's rate and checks that the disk has room for
// a change.
func (b *Broker) admit(op controlOp, name string) error {
	if err := b.rates.charge(op, name, b.cfg.Now()); err != nil {
		return err
	}
	if op == opDeleteStream || op == opDecreaseRetention {
		return nil // these give space back
	}
	if err := b.deps.Store.CheckWritable(controlBytes); err != nil {
		return stream.Wrap(stream.CodeDiskFull, err, "the disk is full")
	}
	return nil
}

// CreateStream makes a stream with even shards. It returns when the stream is
// CREATING; Describe tells when it is ACTIVE. retentionHours 0 stands for 24.
// Errors: CodeInUse if there is one of that name, CodeLimitExceeded.
func (b *Broker) CreateStream(ctx context.Context, name string, shards, retentionHours int) error {
	if err := stream.CheckName(name); err != nil {
		return err
	}
	if shards < 1 {
		return stream.Errorf(stream.CodeValidation, "a stream needs at least one shard, not %d", shards)
	}
	if retentionHours == 0 {
		retentionHours = stream.DefaultRetentionHours
	}
	if err := metadata.CheckRetention(retentionHours); err != nil {
		return err
	}
	if err := b.admit(opCreateStream, name); err != nil {
		return err
	}
	// What cannot be granted is not worth an entry as long as its shards.
	if have := b.meta.ChargedShards(); have+shards > b.cfg.ShardLimit {
		if _, exists := b.meta.Stream(name); exists {
			return b.account.Exists(name)
		}
		return b.account.ShardLimit(have, b.cfg.ShardLimit, shards)
	}
	_, err := b.propose(ctx, &metadata.CreateStream{
		Name: name, RetentionHours: uint32(retentionHours), Groups: b.place(shards), DueMs: b.dueMs(), Limits: b.limits(),
	})
	return err
}

// DeleteStream returns when the stream is DELETING. There are no registered
// consumers that enforceConsumerDeletion would have to take along.
func (b *Broker) DeleteStream(ctx context.Context, name string, enforceConsumerDeletion bool) error {
	if err := b.admit(opDeleteStream, name); err != nil {
		return err
	}
	_, err := b.propose(ctx, &metadata.DeleteStream{Name: name, DueMs: b.dueMs()})
	return err
}

// SplitShard returns when the stream is UPDATING.
func (b *Broker) SplitShard(ctx context.Context, name, shard string, at stream.HashKey) error {
	if err := b.admit(opSplitShard, name); err != nil {
		return err
	}
	index, err := b.shardIndex(name, shard)
	if err != nil {
		return err
	}
	c := &metadata.SplitShard{Name: name, Shard: index, At: at, DueMs: b.dueMs(), Limits: b.limits()}
	copy(c.Groups[:], b.place(len(c.Groups)))
	_, err = b.propose(ctx, c)
	return err
}

// MergeShards returns when the stream is UPDATING. shard is the lower neighbour.
func (b *Broker) MergeShards(ctx context.Context, name, shard, adjacent string) error {
	if err := b.admit(opMergeShards, name); err != nil {
		return err
	}
	index, err := b.shardIndex(name, shard)
	if err != nil {
		return err
	}
	upper, err := b.shardIndex(name, adjacent)
	if err != nil {
		return err
	}
	_, err = b.propose(ctx, &metadata.MergeShards{
		Name: name, Shard: index, Adjacent: upper, Group: b.place(1)[0], DueMs: b.dueMs(),
	})
	return err
}

func (b *Broker) shardIndex(name, shard string) (uint32, error) {
	index, err := stream.ParseShardName(shard)
	if err != nil {
		return 0, b.account.NoShard(shard, name)
	}
	return index, nil
}

// UpdateShardCount returns when the stream is UPDATING, with the count of open
// shards before. The final ranges are the even ones.
func (b *Broker) UpdateShardCount(ctx context.Context, name string, target int) (current int, err error) {
	if target < 1 {
		return 0, stream.Errorf(stream.CodeValidation, "a stream needs at least one shard, not %d", target)
	}
	if err := b.admit(opUpdateShardCount, name); err != nil {
		return 0, err
	}
	answer, err := b.propose(ctx, &metadata.UpdateShardCount{
		Name: name, Target: uint32(min(target, 1<<31)), DueMs: b.dueMs(), Limits: b.limits(),
	})
	if err != nil {
		return 0, err
	}
	a, ok := answer.(*metadata.ScaleAnswer)
	if !ok {
		return 0, stream.Errorf(stream.CodeInternal, "a change of the shard count was answered with %T", answer)
	}
	return a.Current, nil
}

// SetRetention returns when the new retention holds for every shard.
func (b *Broker) SetRetention(ctx context.Context, name string, hours int, dir RetentionChange) error {
	if err := metadata.CheckRetention(hours); err != nil {
		return err
	}
	op := opIncreaseRetention
	if dir == RetentionDecrease {
		op = opDecreaseRetention
	}
	if err := b.admit(op, name); err != nil {
		return err
	}
	answer, err := b.propose(ctx, &metadata.SetRetention{
		Name: name, Hours: uint32(hours), MayIncrease: dir != RetentionDecrease, MayDecrease: dir != RetentionIncrease, DueMs: b.dueMs(),
	})
	if err != nil {
		return err
	}
	a, ok := answer.(*metadata.RetentionAnswer)
	if !ok {
		return stream.Errorf(stream.CodeInternal, "a change of retention was answered with %T", answer)
	}
	if !a.Begun {
		return nil
	}
	return b.await(ctx, a.Stream, func(s *metadata.Stream) bool {
		return s.Op == nil || s.Op.Kind != metadata.OpRetention || s.Op.Step == metadata.StepFinish
	})
}

// await returns when done holds for the stream's published state, or the stream
// is gone.
func (b *Broker) await(ctx context.Context, id stream.StreamID, done func(*metadata.Stream) bool) error {
	for {
		s, ok := b.meta.StreamByID(id)
		if !ok || done(s) {
			return nil
		}
		select {
		case <-s.Superseded():
		case <-ctx.Done():
			return stream.Wrap(stream.CodeUnknownOutcome, ctx.Err(), "the change will take effect yet")
		case <-b.ctx.Done():
			return stream.Errorf(stream.CodeUnknownOutcome, "the node is stopping; the change will take effect yet")
		}
	}
}

// tidy looks for shards whose records have expired.
func (b *Broker) tidy(ctx context.Context) {
	tick := time.NewTicker(b.cfg.tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := b.tidyOnce(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("expired shards could not be dropped, will be tried again", "error", err)
		}
	}
}

// tidyOnce drops expired shards of streams that are not being changed, and
// forgets the run-time state of shards that are no more.
func (b *Broker) tidyOnce(ctx context.Context) error {
	b.shards.sweep(b.meta)
	if leader, _ := b.metaGroup.Leadership(); !leader || !b.mayExpire() {
		return nil
	}
	now := b.nowMs() - expiryMargin.Milliseconds()
	expired := make(map[stream.StreamID][]*metadata.Shard)
	b.meta.All(func(s *metadata.Stream) bool {
		if s.Status != metadata.Active {
			return true
		}
		for _, sh := range s.Shards() {
			if sh.Phase == metadata.Closed && sh.ClosedMs < s.HorizonMs(now) {
				expired[s.ID] = append(expired[s.ID], sh)
			}
		}
		return true
	})
	for id, shards := range expired {
		if err := b.expire(ctx, id, shards); err != nil {
			return fmt.Errorf("stream incarnation %d: %w", id, err)
		}
	}
	return nil
}

// expiryMargin is how long an expired shard is kept beyond its time.
const expiryMargin = 10 * time.Minute

// mayExpire holds the clock to what the trimmers hold it to: a clock that is
// wrong by a year must not delete anything.
func (b *Broker) mayExpire() bool {
	for _, g := range b.groups {
		if st := g.trimmer.Status(); !st.Leading || st.Asking || st.QuietFor > 0 {
			return false
		}
	}
	return true
}

func (b *Broker) expire(ctx context.Context, id stream.StreamID, shards []*metadata.Shard) error {
	if err := b.drop(ctx, shards); err != nil {
		return err
	}
	if err := b.fault("expire: shards deleted"); err != nil {
		return err
	}
	c := &metadata.Forget{Stream: id}
	for _, sh := range shards {
		c.Shards = append(c.Shards, sh.ID.Index)
	}
	return b.commit(ctx, "expire: recorded", c)
}

// keyLife is how long a token key is the current one.
const keyLife = 24 * time.Hour

func (b *Broker) rotateKeys(ctx context.Context) {
	tick := time.NewTicker(keyLife)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if leader, _ := b.metaGroup.Leadership(); !leader {
			continue
		}
		if err := b.rotateKey(ctx); err != nil {
			b.log.Warn("the key of tokens could not be changed", "error", err)
		}
	}
}

func (b *Broker) rotateKey(ctx context.Context) error {
	c := &metadata.RotateKey{Key: stream.TokenKey{ID: b.meta.Keyring().Current.ID + 1}}
	if err := random(c.Key.Secret[:]); err != nil {
		return err
	}
	_, err := b.propose(ctx, c)
	return err
}
