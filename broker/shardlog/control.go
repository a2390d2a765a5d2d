package shardlog

import "github.com/runnel-io/runnel/stream"

// each answers a command that treats its shards one by one.
func each[T any](of []T, f func(T) ShardAnswer) Answer {
	a := Answer{Shards: make([]ShardAnswer, len(of))}
	for i, x := range of {
		a.Shards[i] = f(x)
	}
	return a
}

// known finds a shard that exists for its users.
func (m *Machine) known(id stream.ShardID) (*shard, ShardAnswer) {
	s := m.shards[id]
	if s == nil || s.Phase == Deleting {
		return nil, ShardAnswer{Err: errUnknownShard(id)}
	}
	return s, ShardAnswer{}
}

func (m *Machine) prepare(c Prepare) Answer {
	return each(c.Shards, func(spec ShardSpec) ShardAnswer {
		s := m.shards[spec.ID]
		if s == nil {
			s = &shard{shardRow: shardRow{ShardState: ShardState{ShardSpec: spec, Phase: Prepared}}}
			m.shards[spec.ID] = s
			m.touch(s)
		}
		if s.Phase == Deleting {
			return ShardAnswer{Err: errUnknownShard(spec.ID)}
		}
		return ShardAnswer{State: s.ShardState}
	})
}

func (m *Machine) open(c OpenShards) Answer {
	return each(c.Shards, func(o Opening) ShardAnswer {
		s, answer := m.known(o.ID)
		if s == nil {
			return answer
		}
		if s.Phase == Prepared {
			s.Phase = Open
			s.ArrivalFloorMs = max(s.ArrivalFloorMs, o.ArrivalFloorMs)
			s.OpenedMs = max(m.state.timeMs, s.ArrivalFloorMs)
			m.touch(s)
		}
		return ShardAnswer{State: s.ShardState}
	})
}

func (m *Machine) closeShards(c CloseShards) Answer {
	return each(c.Shards, func(id stream.ShardID) ShardAnswer {
		s, answer := m.known(id)
		if s == nil {
			return answer
		}
		if s.Phase != Closed {
			s.Phase = Closed
			s.ClosedMs = max(m.state.timeMs, s.ArrivalFloorMs)
			s.EndPosition = s.LastPosition
			s.MetaIndex = c.MetaIndex
			m.touch(s)
		}
		return ShardAnswer{State: s.ShardState}
	})
}

// setRetention also raises the floor, so that what has expired stays hidden
// when the retention grows.
func (m *Machine) setRetention(c SetRetention) Answer {
	return each(c.Shards, func(id stream.ShardID) ShardAnswer {
		s, answer := m.known(id)
		if s == nil {
			return answer
		}
		if s.RetentionHours != c.Hours {
			s.FloorMs = max(0, s.HorizonMs(m.state.timeMs))
			s.RetentionHours = c.Hours
			m.batch.retention = true
			m.touch(s)
		}
		return ShardAnswer{State: s.ShardState}
	})
}

func (m *Machine) deleteShards(c DeleteShards) Answer {
	return each(c.Shards, func(id stream.ShardID) ShardAnswer {
		s := m.shards[id]
		if s == nil {
			return ShardAnswer{}
		}
		if s.Phase != Deleting {
			s.Phase = Deleting
			m.batch.retention = true
			m.touch(s)
		}
		return ShardAnswer{State: s.ShardState}
	})
}
