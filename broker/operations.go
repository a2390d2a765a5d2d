package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/placement"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// pending are the streams that wait for something.
func (b *Broker) pending() []stream.StreamID {
	var ids []stream.StreamID
	b.meta.All(func(s *metadata.Stream) bool {
		if s.Op != nil {
			ids = append(ids, s.ID)
		}
		return true
	})
	slices.Sort(ids)
	return ids
}

// advance works on a stream until its operation has ended or has to wait;
// after tells how long, steps how far it has come.
func (b *Broker) advance(ctx context.Context, id stream.StreamID) (after time.Duration, steps int, err error) {
	var before *metadata.Stream
	for ; ; steps++ {
		s, ok := b.meta.StreamByID(id)
		if !ok || s.Op == nil {
			return 0, steps, nil
		}
		if s == before {
			return 0, steps - 1, fmt.Errorf("stream %s: the metadata refused the last step", s.Name)
		}
		before = s
		if wait := b.until(s); wait > 0 {
			return wait, steps, nil
		}
		if err := b.stepInTime(ctx, s); err != nil {
			if now, _ := b.meta.StreamByID(id); now != s {
				steps++
			}
			return 0, steps, fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
}

// until is how long the next step has to wait for the life-cycle delay: a
// stream is seen in its new state only when the delay has passed.
func (b *Broker) until(s *metadata.Stream) time.Duration {
	op := s.Op
	waits := op.Step == metadata.StepFinish || op.Step == metadata.StepClose || op.Step == metadata.StepPlan || op.Kind == metadata.OpDelete
	if !waits {
		return 0
	}
	return max(0, time.Duration(op.DueMs-b.metaMs())*time.Millisecond)
}

// stepInTime gives up what takes too long. All steps may be repeated.
func (b *Broker) stepInTime(ctx context.Context, s *metadata.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return b.step(ctx, s)
}

// step does the next step of the operation and says so in the metadata.
func (b *Broker) step(ctx context.Context, s *metadata.Stream) error {
	switch {
	case s.Op.Step == metadata.StepFinish:
		return b.commit(ctx, "finish", &metadata.Finish{Stream: s.ID})
	case s.Op.Kind == metadata.OpCreate:
		return b.finishCreation(ctx, s)
	case s.Op.Kind == metadata.OpDelete:
		return b.finishDeletion(ctx, s)
	case s.Op.Kind == metadata.OpRetention:
		return b.changeRetention(ctx, s)
	case s.Op.Step == metadata.StepPlan:
		return b.planRound(ctx, s)
	case s.Op.Step == metadata.StepClose:
		return b.closeRound(ctx, s)
	case s.Op.Step == metadata.StepOpen:
		return b.openRound(ctx, s)
	}
	return fmt.Errorf("operation %d has no step %d", s.Op.Kind, s.Op.Step)
}

// commit records a step. A command that no longer fits is no error: the
// metadata has moved on, and the next look at it tells what to do.
func (b *Broker) commit(ctx context.Context, point string, c metadata.Command) error {
	if _, err := b.propose(ctx, c); err != nil && stream.CodeOf(err) != stream.CodeInvalidArgument {
		return err
	}
	return b.fault(point)
}

func (b *Broker) finishCreation(ctx context.Context, s *metadata.Stream) error {
	if err := b.prepare(ctx, s, s.Shards()); err != nil {
		return err
	}
	if err := b.fault("create: prepared"); err != nil {
		return err
	}
	if err := b.open(ctx, s.Shards()); err != nil {
		return err
	}
	if err := b.fault("create: opened"); err != nil {
		return err
	}
	return b.commit(ctx, "create: recorded", &metadata.Opened{Stream: s.ID})
}

func (b *Broker) finishDeletion(ctx context.Context, s *metadata.Stream) error {
	if err := b.drop(ctx, s.Shards()); err != nil {
		return err
	}
	if err := b.fault("delete: shards deleted"); err != nil {
		return err
	}
	return b.commit(ctx, "delete: recorded", &metadata.Removed{Stream: s.ID})
}

// changeRetention tells the data groups before the metadata: the call that
// asked for it returns when the metadata has it.
func (b *Broker) changeRetention(ctx context.Context, s *metadata.Stream) error {
	_, err := b.each(ctx, s.Shards(), func(shards []*metadata.Shard) shardlog.Command {
		return shardlog.SetRetention{Shards: shardIDs(shards), Hours: s.Op.Hours}
	})
	if err != nil {
		return err
	}
	if err := b.fault("retention: set"); err != nil {
		return err
	}
	return b.commit(ctx, "retention: recorded", &metadata.RetentionDone{Stream: s.ID, Hours: s.Op.Hours})
}

func (b *Broker) planRound(ctx context.Context, s *metadata.Stream) error {
	children := metadata.Plan(s.OpenShards(), stream.EvenRanges(int(s.Op.Target)))
	if len(children) == 0 {
		return b.commit(ctx, "reshard: finished", &metadata.Finish{Stream: s.ID})
	}
	for i, g := range b.place(len(children)) {
		children[i].Group = g
	}
	return b.commit(ctx, "reshard: planned", &metadata.PlanRound{Stream: s.ID, First: s.NextShard, Children: children})
}

// closeRound makes the children known to their groups, ends the parents, and
// then flips the map in one entry. Between closing and flipping nobody takes
// records for these hash keys; puts wait.
func (b *Broker) closeRound(ctx context.Context, s *metadata.Stream) error {
	if err := b.prepare(ctx, s, s.Round()); err != nil {
		return err
	}
	if err := b.fault("reshard: prepared"); err != nil {
		return err
	}
	parents := make([]*metadata.Shard, 0, len(s.RoundParents()))
	for _, index := range s.RoundParents() {
		sh, ok := s.Shard(index)
		if !ok {
			return fmt.Errorf("parent %s of the round is not known", stream.ShardName(index))
		}
		parents = append(parents, sh)
	}
	flipped := b.meta.Index() + 1 // the flip comes after everything published so far
	states, err := b.each(ctx, parents, func(shards []*metadata.Shard) shardlog.Command {
		return shardlog.CloseShards{Shards: shardIDs(shards), MetaIndex: flipped}
	})
	if err != nil {
		return err
	}
	if err := b.fault("reshard: closed"); err != nil {
		return err
	}
	c := &metadata.Flip{Stream: s.ID, First: s.Op.First}
	for _, p := range parents {
		st := states[p.ID]
		c.Endings = append(c.Endings, metadata.Ending{Shard: p.ID.Index, End: st.EndPosition, ClosedMs: st.ClosedMs})
	}
	return b.commit(ctx, "reshard: flipped", c)
}

func (b *Broker) openRound(ctx context.Context, s *metadata.Stream) error {
	if err := b.open(ctx, s.Round()); err != nil {
		return err
	}
	if err := b.fault("reshard: opened"); err != nil {
		return err
	}
	return b.commit(ctx, "reshard: recorded", &metadata.Opened{Stream: s.ID, First: s.Op.First})
}

// prepare makes shards known to their groups. They take no records yet.
func (b *Broker) prepare(ctx context.Context, s *metadata.Stream, shards []*metadata.Shard) error {
	_, err := b.each(ctx, shards, func(shards []*metadata.Shard) shardlog.Command {
		specs := make([]shardlog.ShardSpec, len(shards))
		for i, sh := range shards {
			specs[i] = shardlog.ShardSpec{ID: sh.ID, CreatedSec: sh.CreatedSec, RetentionHours: s.RetentionHours}
		}
		return shardlog.Prepare{Shards: specs}
	})
	return err
}

// open lets shards take records. None is stamped before the shard was in the map.
func (b *Broker) open(ctx context.Context, shards []*metadata.Shard) error {
	_, err := b.each(ctx, shards, func(shards []*metadata.Shard) shardlog.Command {
		openings := make([]shardlog.Opening, len(shards))
		for i, sh := range shards {
			openings[i] = shardlog.Opening{ID: sh.ID, ArrivalFloorMs: sh.OpenedMs}
		}
		return shardlog.OpenShards{Shards: openings}
	})
	return err
}

func (b *Broker) drop(ctx context.Context, shards []*metadata.Shard) error {
	_, err := b.each(ctx, shards, func(shards []*metadata.Shard) shardlog.Command {
		return shardlog.DeleteShards{Shards: shardIDs(shards)}
	})
	return err
}

func shardIDs(shards []*metadata.Shard) []stream.ShardID {
	ids := make([]stream.ShardID, len(shards))
	for i, sh := range shards {
		ids[i] = sh.ID
	}
	return ids
}

// shardsPerEntry bounds the work of one control entry.
const shardsPerEntry = 2000

// each gives every group one command for its shards (or a few, if they are
// very many), all groups at once, and returns what became of the shards.
func (b *Broker) each(ctx context.Context, shards []*metadata.Shard, command func([]*metadata.Shard) shardlog.Command) (map[stream.ShardID]shardlog.ShardState, error) {
	parts := make(map[*dataGroup][]*metadata.Shard)
	for _, sh := range shards {
		g, ok := b.groups[sh.Group]
		if !ok {
			return nil, fmt.Errorf("shard %s lies in group %d, which this node does not have", sh.ID, sh.Group)
		}
		parts[g] = append(parts[g], sh)
	}
	answers := make(chan []shardlog.ShardAnswer, len(shards)/shardsPerEntry+len(parts))
	all, ctx := errgroup.WithContext(ctx)
	for g, mine := range parts {
		all.Go(func() error {
			for part := range slices.Chunk(mine, shardsPerEntry) {
				answer, err := g.coalescer.Do(ctx, command(part))
				if err != nil {
					return fmt.Errorf("group %d: %w", g.id, err)
				}
				answers <- answer.Shards
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	close(answers)
	states := make(map[stream.ShardID]shardlog.ShardState, len(shards))
	for part := range answers {
		for _, a := range part {
			if a.Err != nil {
				return nil, a.Err
			}
			states[a.State.ID] = a.State
		}
	}
	return states, nil
}

// place chooses groups for n new shards.
func (b *Broker) place(n int) []uint32 {
	groups := make([]placement.Group, 0, len(b.groups))
	for _, g := range b.groupList() {
		groups = append(groups, placement.Group{ID: g.id, Shards: b.meta.Load(g.id)})
	}
	return placement.Spread(groups, n)
}
