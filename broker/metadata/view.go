package metadata

import (
	"sort"

	"github.com/runnel-io/runnel/stream"
)

// Index is the log index up to which the published state goes.
func (m *Machine) Index() uint64 { return m.view.index.Load() }

// TimeMs is the greatest stamp of a published command.
func (m *Machine) TimeMs() int64 { return m.view.sys.Load().timeMs }

// Founded tells the number of data groups, 0 before Init.
func (m *Machine) Founded() (groups uint32) { return m.view.sys.Load().groups }

// Cluster is the identity of the cluster, zero before Init.
func (m *Machine) Cluster() [16]byte { return m.view.sys.Load().cluster }

// Bootstrapped tells whether a data group has been bootstrapped.
func (m *Machine) Bootstrapped(group uint32) bool {
	sys := m.view.sys.Load()
	return group >= 1 && group <= sys.groups && sys.ready[group-1]
}

// Keyring has the keys of tokens.
func (m *Machine) Keyring() stream.Keyring { return m.view.sys.Load().keys }

// ChargedShards is how many shards count for the account's limit.
func (m *Machine) ChargedShards() int { return int(m.view.open.Load()) }

// Load is how many shards, closed ones apart, group holds.
func (m *Machine) Load(group uint32) int {
	loads := *m.view.loads.Load()
	if int(group) < len(loads) {
		return loads[group]
	}
	return 0
}

// Stream finds a stream by name.
func (m *Machine) Stream(name string) (*Stream, bool) {
	s, ok := m.view.byName.Load(name)
	if !ok {
		return nil, false
	}
	return s.(*Stream), true
}

// StreamByID finds an incarnation.
func (m *Machine) StreamByID(id stream.StreamID) (*Stream, bool) {
	s, ok := m.view.byID.Load(id)
	if !ok {
		return nil, false
	}
	return s.(*Stream), true
}

// List returns at most limit streams whose names come after the given one, by
// name, and whether there are more.
func (m *Machine) List(after string, limit int) (streams []*Stream, more bool) {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	names := m.view.names
	i := sort.Search(len(names), func(i int) bool { return names[i] > after })
	for ; i < len(names) && len(streams) < limit; i++ {
		if s, ok := m.Stream(names[i]); ok {
			streams = append(streams, s)
		}
	}
	return streams, i < len(names)
}

// All calls each with every stream, in no order, until it returns false.
func (m *Machine) All(each func(*Stream) bool) {
	m.view.byID.Range(func(_, s any) bool { return each(s.(*Stream)) })
}
