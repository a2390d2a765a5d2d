package metadata

import (
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

func (m *Machine) byName(name string) (*Stream, *stream.Error) {
	id, ok := m.names[name]
	if !ok {
		return nil, m.cfg.Account.NoStream(name)
	}
	return m.streams[id], nil
}

// active finds a stream that may be changed.
func (m *Machine) active(name string) (*Stream, *stream.Error) {
	s, err := m.byName(name)
	if err != nil {
		return nil, err
	}
	if s.Status != Active {
		return nil, m.cfg.Account.NotActive(name, s.Status)
	}
	return s, nil
}

func (m *Machine) checkShardLimit(l Limits, more int) *stream.Error {
	if l.Shards > 0 && more > 0 && m.charged+more > int(l.Shards) {
		return m.cfg.Account.ShardLimit(m.charged, int(l.Shards), more)
	}
	return nil
}

func (m *Machine) createStream(c *CreateStream) *stream.Error {
	if _, ok := m.names[c.Name]; ok {
		return m.cfg.Account.Exists(c.Name)
	}
	if c.Limits.Creating > 0 && m.creating >= int(c.Limits.Creating) {
		return m.cfg.Account.TooManyCreating(c.Limits.Creating)
	}
	if err := m.checkShardLimit(c.Limits, len(c.Groups)); err != nil {
		return err
	}
	if err := m.checkGroups(c.Groups...); err != nil {
		return err
	}
	if len(c.Groups) == 0 || c.RetentionHours == 0 {
		return stream.Errorf(stream.CodeInvalidArgument, "a stream needs shards and a retention")
	}
	m.sweep()
	s := &Stream{
		ID: m.sys.nextStream, Name: c.Name, Status: Creating,
		CreatedMs: m.sys.timeMs, CreatedSec: max(m.sys.timeMs/1000, m.afterTombstone(c.Name)),
		RetentionHours: c.RetentionHours, NextShard: uint32(len(c.Groups)),
		Op:         &Operation{Kind: OpCreate, Step: StepOpen, DueMs: c.DueMs, Count: uint32(len(c.Groups))},
		superseded: make(chan struct{}),
	}
	m.sys.nextStream++
	places := make([]int, len(c.Groups))
	for i, r := range stream.EvenRanges(len(c.Groups)) {
		s.shards = append(s.shards, &Shard{
			ID: stream.ShardID{Stream: s.ID, Index: uint32(i)}, Range: r, Group: c.Groups[i], Phase: Planned,
			CreatedSec: s.CreatedSec, OpenedMs: s.CreatedMs, Parent: -1, Adjacent: -1,
		})
		places[i] = i
	}
	m.names[c.Name] = s.ID
	m.put(nil, s, places...)
	return nil
}

func (m *Machine) checkGroups(groups ...uint32) *stream.Error {
	for _, g := range groups {
		if !m.hasGroup(g) {
			return stream.Errorf(stream.CodeInvalidArgument, "there is no data group %d", g)
		}
	}
	return nil
}

func (m *Machine) deleteStream(c *DeleteStream) *stream.Error {
	old, err := m.byName(c.Name)
	if err != nil {
		return err
	}
	if old.Status != Active && old.Status != Creating {
		return m.cfg.Account.NotActive(c.Name, old.Status)
	}
	s := old.clone()
	s.Status = Deleting
	s.Op = &Operation{Kind: OpDelete, Step: StepData, DueMs: c.DueMs}
	m.put(old, s)
	return nil
}

func (m *Machine) removed(c *Removed) *stream.Error {
	s, ok := m.streams[c.Stream]
	if !ok {
		return nil // done before
	}
	if s.Op == nil || s.Op.Kind != OpDelete || m.sys.timeMs < s.Op.DueMs {
		return errStale("removal", c.Stream)
	}
	m.sweep()
	m.bury(s.Name, s.lastSec())
	m.count(s, nil)
	delete(m.streams, s.ID)
	delete(m.names, s.Name)
	m.gone = append(m.gone, s)
	lo, hi := key.MetaShardBounds(s.ID)
	m.batch.DeleteRange(lo, hi)
	m.batch.Delete(key.MetaStream(s.ID))
	return nil
}

func (m *Machine) setRetention(c *SetRetention, answer *any) *stream.Error {
	if err := CheckRetention(int(c.Hours)); err != nil {
		return err
	}
	old, err := m.byName(c.Name)
	if err != nil {
		return err
	}
	switch {
	case old.Status != Active:
		return m.cfg.Account.NotActive(c.Name, old.Status)
	case c.Hours < old.RetentionHours && !c.MayDecrease:
		return retentionShrinks(c, old.RetentionHours)
	case c.Hours > old.RetentionHours && !c.MayIncrease:
		return retentionGrows(c, old.RetentionHours)
	case c.Hours == old.RetentionHours:
		*answer = &RetentionAnswer{Stream: old.ID}
		return nil
	}
	s := old.clone()
	s.Status = Updating
	s.Op = &Operation{Kind: OpRetention, Step: StepData, DueMs: c.DueMs, Hours: c.Hours}
	m.put(old, s)
	*answer = &RetentionAnswer{Stream: s.ID, Begun: true}
	return nil
}

func (m *Machine) retentionDone(c *RetentionDone) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok || old.Op == nil || old.Op.Kind != OpRetention || old.Op.Step != StepData || old.Op.Hours != c.Hours {
		return errStale("retention", c.Stream)
	}
	s := old.clone()
	s.FloorMs = old.HorizonMs(m.sys.timeMs)
	s.RetentionHours = c.Hours
	m.endOrWait(s)
	m.put(old, s)
	return nil
}

// endOrWait ends the operation of s if its time has come; else it is to be
// finished later.
func (m *Machine) endOrWait(s *Stream) {
	if m.sys.timeMs < s.Op.DueMs {
		s.Op.Step = StepFinish
		return
	}
	s.Op = nil
	s.Status = Active
}

func (m *Machine) finish(c *Finish) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok || old.Op == nil || m.sys.timeMs < old.Op.DueMs {
		return errStale("finish", c.Stream)
	}
	done := old.Op.Step == StepFinish || old.Op.Step == StepPlan && old.atTarget()
	if !done {
		return errStale("finish", c.Stream)
	}
	s := old.clone()
	places := []int(nil)
	if s.Op.Kind == OpCreate {
		places = s.openAll(s.CreatedMs)
	}
	s.Op = nil
	s.Status = Active
	m.put(old, s, places...)
	return nil
}

// openAll takes all planned shards into the map.
func (s *Stream) openAll(openedMs int64) (places []int) {
	for i, sh := range s.shards {
		if sh.Phase != Planned {
			continue
		}
		c := *sh
		c.Phase, c.OpenedMs = Open, openedMs
		s.shards[i] = &c
		places = append(places, i)
	}
	s.remap()
	return places
}

func (m *Machine) forget(c *Forget) *stream.Error {
	old, ok := m.streams[c.Stream]
	if !ok {
		return nil
	}
	drop := make(map[uint32]bool, len(c.Shards))
	for _, index := range c.Shards {
		sh, ok := old.Shard(index)
		if !ok {
			continue // done before
		}
		if sh.Phase != Closed || sh.ClosedMs >= old.HorizonMs(m.sys.timeMs) {
			return errStale("forgetting", c.Stream)
		}
		drop[index] = true
	}
	s := old.clone()
	s.shards = s.shards[:0]
	for _, sh := range old.shards {
		if drop[sh.ID.Index] {
			m.batch.Delete(key.MetaShard(sh.ID))
			continue
		}
		s.shards = append(s.shards, sh)
	}
	m.put(old, s)
	return nil
}
