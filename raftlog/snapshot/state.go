// Package snapshot lets the library snapshot a state machine whose state is on
// disk already: the snapshot is the live state. Taking one copies nothing; it
// makes what is applied durable, so that the log may be cut behind it, and
// remembers how far that was. The package also keeps the row that says how far
// a group has applied. It does not send state to other nodes.
package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

// State is how far a group has come, and who belongs to it.
type State struct {
	Index, Term        uint64
	ConfigurationIndex uint64
	Configuration      raft.Configuration
	// Applied is how far the state machine had applied: of a snapshot it may be
	// less than Index, if the entries in between are none of its business.
	Applied uint64
}

// Names of the rows among the stable rows of a group.
const (
	appliedName  = "Applied"
	snapshotName = "Snapshot"
)

// A row, version 1, is: version (1), index (8), term (8), applied (8), index of
// the configuration (8), number of servers (2), per server suffrage (1), length
// of the id (2), id, length of the address (2), address; then CRC32C of the
// row's key and all that (4).
const (
	rowVersion = 1
	rowFixed   = 35
	rowSum     = 4
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRow     = errors.New("malformed row")
)

// PutApplied puts into b how far the group has applied.
func PutApplied(b *storage.Batch, group uint32, s State) { put(b, key.Stable(group, appliedName), s) }

// PutSnapshot puts into b up to where the log may be cut.
func PutSnapshot(b *storage.Batch, group uint32, s State) {
	put(b, key.Stable(group, snapshotName), s)
}

// Load reads both; what was never written is zero.
func Load(r storage.Reader, group uint32) (applied, snapshot State, err error) {
	if applied, err = load(r, group, appliedName); err != nil {
		return State{}, State{}, err
	}
	if snapshot, err = load(r, group, snapshotName); err != nil {
		return State{}, State{}, err
	}
	if snapshot.Applied > applied.Index {
		return State{}, State{}, fmt.Errorf("%w: group %d has applied %d, but its log was cut when it had applied %d",
			storage.ErrCorrupt, group, applied.Index, snapshot.Applied)
	}
	return applied, snapshot, nil
}

func load(r storage.Reader, group uint32, name string) (State, error) {
	k := key.Stable(group, name)
	v, closer, err := r.Get(k)
	if errors.Is(err, storage.ErrNotFound) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("row %s of group %d: %w", name, group, err)
	}
	defer func() { _ = closer.Close() }()
	s, err := decode(k, v)
	if err != nil {
		return State{}, fmt.Errorf("row %s of group %d: %w: %w", name, group, storage.ErrCorrupt, err)
	}
	return s, nil
}

func put(b *storage.Batch, k []byte, s State) { b.Set(k, s.encode(k)) }

func (s State) encode(k []byte) []byte {
	b := append(make([]byte, 0, 256), rowVersion)
	b = binary.LittleEndian.AppendUint64(b, s.Index)
	b = binary.LittleEndian.AppendUint64(b, s.Term)
	b = binary.LittleEndian.AppendUint64(b, s.Applied)
	b = binary.LittleEndian.AppendUint64(b, s.ConfigurationIndex)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.Configuration.Servers)))
	for _, v := range s.Configuration.Servers {
		b = append(b, byte(v.Suffrage))
		b = appendString(b, string(v.ID))
		b = appendString(b, string(v.Address))
	}
	return binary.LittleEndian.AppendUint32(b, sum(k, b))
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
}

func sum(k, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(k, castagnoli), castagnoli, b)
}

func decode(k, b []byte) (State, error) {
	var s State
	if len(b) < rowFixed+rowSum {
		return s, errRow
	}
	body := b[:len(b)-rowSum]
	if sum(k, body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return s, errors.New("row fails its checksum")
	}
	if body[0] != rowVersion {
		return s, fmt.Errorf("row of version %d", body[0])
	}
	s.Index = binary.LittleEndian.Uint64(body[1:])
	s.Term = binary.LittleEndian.Uint64(body[9:])
	s.Applied = binary.LittleEndian.Uint64(body[17:])
	s.ConfigurationIndex = binary.LittleEndian.Uint64(body[25:])
	servers := int(binary.LittleEndian.Uint16(body[33:]))
	rest := body[rowFixed:]
	for range servers {
		if len(rest) < 1 {
			return State{}, errRow
		}
		v := raft.Server{Suffrage: raft.ServerSuffrage(rest[0])}
		var id, address string
		var ok bool
		if id, rest, ok = cutString(rest[1:]); !ok {
			return State{}, errRow
		}
		if address, rest, ok = cutString(rest); !ok {
			return State{}, errRow
		}
		v.ID, v.Address = raft.ServerID(id), raft.ServerAddress(address)
		s.Configuration.Servers = append(s.Configuration.Servers, v)
	}
	if len(rest) != 0 {
		return State{}, errRow
	}
	return s, nil
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if len(b) < 2+n {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}
