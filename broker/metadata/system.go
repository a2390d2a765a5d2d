package metadata

import (
	"errors"
	"fmt"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

const systemRow = "system"

// maxGroups bounds what Init may ask for.
const maxGroups = 4096

func (m *Machine) setSystem() { m.batch.Set(key.MetaState(systemRow), m.sys.encode()) }

func (m *Machine) restoreSystem(r storage.Reader) error {
	v, closer, err := r.Get(key.MetaState(systemRow))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read metadata system row: %w", err)
	}
	sys, err := decodeSystem(v)
	if cerr := closer.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("read metadata system row: %w", cerr)
	}
	if err != nil {
		return err
	}
	m.sys = sys
	return nil
}

func (m *Machine) init(c *Init) *stream.Error {
	if m.sys.founded() {
		return nil
	}
	if c.Groups < 1 || c.Groups > maxGroups {
		return stream.Errorf(stream.CodeInvalidArgument, "a cluster has 1 to %d data groups, not %d", maxGroups, c.Groups)
	}
	m.sys.cluster = c.Cluster
	m.sys.groups = c.Groups
	m.sys.ready = make([]bool, c.Groups)
	m.sys.keys = stream.Keyring{Current: stream.TokenKey{ID: 1, Secret: c.Key}}
	return nil
}

func (m *Machine) groupReady(c *GroupReady) *stream.Error {
	if !m.hasGroup(c.Group) {
		return stream.Errorf(stream.CodeInvalidArgument, "there is no data group %d", c.Group)
	}
	// The published state shares the slice: replace it.
	ready := append([]bool(nil), m.sys.ready...)
	ready[c.Group-1] = true
	m.sys.ready = ready
	return nil
}

func (m *Machine) rotateKey(c *RotateKey) *stream.Error {
	if c.Key.ID != m.sys.keys.Current.ID+1 {
		return stream.Errorf(stream.CodeInvalidArgument, "token key %d does not follow key %d", c.Key.ID, m.sys.keys.Current.ID)
	}
	m.sys.keys = stream.Keyring{Current: c.Key, Previous: m.sys.keys.Current}
	return nil
}

func (m *Machine) hasGroup(g uint32) bool { return g >= 1 && g <= m.sys.groups }

// sweep drops the tombstones that the clock has passed: a stream created from
// now on gets a greater creation second anyway.
func (m *Machine) sweep() {
	kept := m.tombs[:0]
	for _, t := range m.tombs {
		if t.sec < m.sys.timeMs/1000 {
			m.batch.Delete(key.MetaName(t.name))
			continue
		}
		kept = append(kept, t)
	}
	m.tombs = kept
}

// afterTombstone is the least creation second that a stream of that name may have.
func (m *Machine) afterTombstone(name string) int64 {
	for _, t := range m.tombs {
		if t.name == name {
			return t.sec + 1
		}
	}
	return 0
}

func (m *Machine) bury(name string, sec int64) {
	if sec < m.sys.timeMs/1000 {
		return
	}
	m.batch.Set(key.MetaName(name), encodeTombstone(sec))
	for i := range m.tombs {
		if m.tombs[i].name == name {
			m.tombs[i].sec = sec
			return
		}
	}
	m.tombs = append(m.tombs, tombstone{name, sec})
}
