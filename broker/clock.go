package broker

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/runnel-io/runnel/storage/key"
)

// ratchet tells the time of metadata commands. It follows the wall forward at
// once; when the wall is set back it goes on with elapsed time, because the
// metadata's time never goes back and what is to end must not wait until the
// wall has caught up.
type ratchet struct {
	wall    func() time.Time
	elapsed func() time.Duration

	mu   sync.Mutex
	last int64         // milliseconds
	read time.Duration // elapsed time at last
}

// nowMs is not before leastMs, the latest time that the metadata knows.
func (r *ratchet) nowMs(leastMs int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last < leastMs {
		r.last, r.read = leastMs, r.elapsed()
	}
	passed := (r.elapsed() - r.read).Truncate(time.Millisecond)
	r.last, r.read = r.last+passed.Milliseconds(), r.read+passed
	if wall := r.wall().UnixMilli(); wall > r.last {
		r.last, r.read = wall, r.elapsed()
	}
	return r.last
}

// believedKey is where a node keeps the time that it believes while its clock is
// in doubt for a group.
func believedKey(group uint32) []byte { return key.Node(fmt.Sprintf("clock-believed-%d", group)) }

const believedVersion = 1

// believed is what keepBelieved has kept, in milliseconds, 0 if nothing.
func (b *Broker) believed(group uint32) (int64, error) {
	v, err := b.nodeRow(believedKey(group))
	if v == nil || err != nil {
		return 0, err
	}
	if len(v) != 9 || v[0] != believedVersion {
		return 0, fmt.Errorf("row %x of the time that is believed for group %d is not of version %d", v, group, believedVersion)
	}
	return int64(binary.BigEndian.Uint64(v[1:])), nil
}

// keepBelieved survives a power cut. 0 stands for a clock that is not in doubt.
func (b *Broker) keepBelieved(group uint32, ms int64) error {
	batch := b.deps.Store.NewBatch()
	defer batch.Close()
	if ms == 0 {
		batch.Delete(believedKey(group))
	} else {
		batch.Set(believedKey(group), binary.BigEndian.AppendUint64([]byte{believedVersion}, uint64(ms)))
	}
	return batch.Commit(true)
}
