package metadata

import (
	"slices"

	"github.com/runnel-io/runnel/stream"
)

// maxScaleTarget is the greatest shard count that UpdateShardCount takes.
const maxScaleTarget = 10_000

func (m *Machine) splitShard(c *SplitShard) *stream.Error {
	old, err := m.active(c.Name)
	if err != nil {
		return err
	}
	sh, ok := old.Shard(c.Shard)
	if !ok {
		return m.cfg.Account.NoShard(stream.ShardName(c.Shard), c.Name)
	}
	if err := m.checkShardLimit(c.Limits, 1); err != nil {
		return err
	}
	lo, hi, serr := sh.Range.Split(c.At)
	if serr != nil {
		return m.cfg.Account.badSplit(c, sh.Range)
	}
	if sh.Phase != Open {
		return m.cfg.Account.Resharded(c.Shard, c.Name)
	}
	if err := m.checkGroups(c.Groups[:]...); err != nil {
		return err
	}
	m.plan(old, 0, c.DueMs, []Child{
		{Range: lo, Parent: c.Shard, Adjacent: -1, Group: c.Groups[0]},
		{Range: hi, Parent: c.Shard, Adjacent: -1, Group: c.Groups[1]},
	})
	return nil
}

func (m *Machine) mergeShards(c *MergeShards) *stream.Error {
	old, err := m.active(c.Name)
	if err != nil {
		return err
	}
	parents := [2]*Shard{}
	for i, index := range [2]uint32{c.Shard, c.Adjacent} {
		sh, ok := old.Shard(index)
		if !ok {
			return m.cfg.Account.NoShard(stream.ShardName(index), c.Name)
		}
		if sh.Phase != Open {
			return m.cfg.Account.Resharded(index, c.Name)
		}
		parents[i] = sh
	}
	union, jerr := parents[0].Range.Join(parents[1].Range)
	if jerr != nil {
		return m.cfg.Account.notAdjacent(c)
	}
	if err := m.checkGroups(c.Group); err != nil {
		return err
	}
	m.plan(old, 0, c.DueMs, []Child{{Range: union, Parent: c.Shard, Adjacent: int64(c.Adjacent), Group: c.Group}})
	return nil
}

func (m *Machine) updateShardCount(c *UpdateShardCount, answer *any) *stream.Error {
	old, err := m.active(c.Name)
	if err != nil {
		return err
	}
	current, target := len(old.open), int(c.Target)
	least, most := (current+1)/2, min(2*current, maxScaleTarget)
	if target < max(least, 1) || target > most {
		return m.cfg.Account.scaleOutOfRange(c.Name, current, target, least, most)
	}
	scaled := slices.DeleteFunc(slices.Clone(old.ScaledMs), func(ms int64) bool { return ms <= m.sys.timeMs-msPerDay })
	if c.Limits.ScalesPerDay > 0 && len(scaled) >= int(c.Limits.ScalesPerDay) {
		return m.cfg.Account.scaleTooOften(c.Name, c.Limits.ScalesPerDay)
	}
	if err := m.checkShardLimit(c.Limits, target-current); err != nil {
		return err
	}
	s := old.clone()
	s.Status = Updating
	// Without a limit the list would grow without an end.
	if c.Limits.ScalesPerDay > 0 {
		scaled = append(scaled, m.sys.timeMs)
	}
	s.ScaledMs = scaled
	s.Op = &Operation{Kind: OpReshard, Step: StepPlan, DueMs: c.DueMs, Target: c.Target}
	m.put(old, s)
	*answer = &ScaleAnswer{Current: current}
	return nil
}

func (m *Machine) planRound(c *PlanRound) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok || old.Op == nil || old.Op.Kind != OpReshard || old.Op.Step != StepPlan || old.NextShard != c.First || len(c.Children) == 0 {
		return errStale("plan", c.Stream)
	}
	for _, ch := range c.Children {
		if err := m.checkGroups(ch.Group); err != nil {
			return err
		}
		if !old.isOpen(ch.Parent) || ch.Adjacent >= 0 && !old.isOpen(uint32(ch.Adjacent)) {
			return errStale("plan", c.Stream)
		}
	}
	m.plan(old, old.Op.Target, old.Op.DueMs, c.Children)
	return nil
}

func (s *Stream) isOpen(index uint32) bool {
	sh, ok := s.Shard(index)
	return ok && sh.Phase == Open
}

// plan adds the children of a round. A child's creation second is greater than
// its parents', even if that runs ahead of the clock.
func (m *Machine) plan(old *Stream, target uint32, dueMs int64, children []Child) {
	s := old.clone()
	s.Status = Updating
	s.Op = &Operation{
		Kind: OpReshard, Step: StepClose, DueMs: dueMs, Target: target,
		First: s.NextShard, Count: uint32(len(children)),
	}
	places := make([]int, len(children))
	for i, ch := range children {
		sec := m.sys.timeMs / 1000
		parent, _ := s.Shard(ch.Parent)
		sec = max(sec, parent.CreatedSec+1)
		if ch.Adjacent >= 0 {
			adjacent, _ := s.Shard(uint32(ch.Adjacent))
			sec = max(sec, adjacent.CreatedSec+1)
		}
		places[i] = len(s.shards)
		s.shards = append(s.shards, &Shard{
			ID: stream.ShardID{Stream: s.ID, Index: s.NextShard}, Range: ch.Range, Group: ch.Group, Phase: Planned,
			CreatedSec: sec, Parent: int64(ch.Parent), Adjacent: ch.Adjacent,
		})
		s.NextShard++
	}
	m.put(old, s, places...)
}

// RoundParents are the indexes of the parents of the operation's round, in order.
func (s *Stream) RoundParents() []uint32 {
	var out []uint32
	for _, sh := range s.Round() {
		if sh.Parent >= 0 {
			out = append(out, uint32(sh.Parent))
		}
		if sh.Adjacent >= 0 {
			out = append(out, uint32(sh.Adjacent))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (m *Machine) flip(c *Flip) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok || old.Op == nil || old.Op.Kind != OpReshard || old.Op.Step != StepClose || old.Op.First != c.First {
		return errStale("flip", c.Stream)
	}
	parents := old.RoundParents()
	if len(parents) != len(c.Endings) {
		return errStale("flip", c.Stream)
	}
	// The map changes at one time for all, and not before the parents took
	// their last record.
	at := m.sys.timeMs
	for i, e := range c.Endings {
		if e.Shard != parents[i] {
			return errStale("flip", c.Stream)
		}
		at = max(at, e.ClosedMs)
	}
	s := old.clone()
	places := make([]int, 0, 3*len(parents))
	for _, e := range c.Endings {
		i, _ := s.find(e.Shard)
		sh := *s.shards[i]
		sh.Phase, sh.ClosedMs, sh.End = Closed, at, e.End
		s.shards[i] = &sh
		places = append(places, i)
	}
	places = append(places, s.openAll(at)...)
	if !s.tiles() {
		return stream.Errorf(stream.CodeInternal, "round %d of stream incarnation %d does not tile the hash space", c.First, c.Stream)
	}
	s.Op.Step = StepOpen
	m.sys.timeMs = at
	m.put(old, s, places...)
	return nil
}

func (m *Machine) opened(c *Opened) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok || old.Op == nil || old.Op.Step != StepOpen || old.Op.First != c.First {
		return errStale("opening", c.Stream)
	}
	s := old.clone()
	var places []int
	switch {
	case s.Op.Kind == OpReshard && s.Op.Target > 0 && !s.atTarget():
		s.Op.Step, s.Op.First, s.Op.Count = StepPlan, 0, 0
	case s.Op.Kind == OpCreate && m.sys.timeMs >= s.Op.DueMs:
		places = s.openAll(s.CreatedMs)
		m.endOrWait(s)
	default:
		m.endOrWait(s)
	}
	m.put(old, s, places...)
	return nil
}

// atTarget tells whether a change of the shard count has reached its ranges.
func (s *Stream) atTarget() bool {
	return s.Op.Kind == OpReshard && reached(s.open, stream.EvenRanges(int(s.Op.Target)))
}
