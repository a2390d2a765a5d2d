package metadata

import (
	"fmt"

	"github.com/runnel-io/runnel/stream"
)

// system is the one row that is about no stream.
type system struct {
	timeMs     int64 // greatest stamp of a command; never goes back
	nextStream stream.StreamID
	cluster    [16]byte // zero: not founded yet
	groups     uint32
	ready      []bool // by group - 1: bootstrapped
	keys       stream.Keyring
}

func (s system) founded() bool { return s.groups > 0 }

func (s system) encode() []byte {
	w := writer{b: make([]byte, 0, 128)}
	w.byte(version)
	w.time(s.timeMs)
	w.uint(uint64(s.nextStream))
	w.bytes(s.cluster[:])
	w.uint32(s.groups)
	for _, r := range s.ready {
		w.bool(r)
	}
	for _, k := range []stream.TokenKey{s.keys.Current, s.keys.Previous} {
		w.uint32(k.ID)
		w.bytes(k.Secret[:])
	}
	return w.b
}

func decodeSystem(b []byte) (system, error) {
	r := reader{b: b}
	if v := r.byte(); v != version {
		return system{}, fmt.Errorf("metadata system row of version %d", v)
	}
	s := system{timeMs: r.time(), nextStream: stream.StreamID(r.uint())}
	r.bytes(s.cluster[:])
	s.groups = r.uint32()
	if int(s.groups) > len(r.b) {
		r.fail()
	}
	for range s.groups {
		if r.bad {
			break
		}
		s.ready = append(s.ready, r.bool())
	}
	for _, k := range []*stream.TokenKey{&s.keys.Current, &s.keys.Previous} {
		k.ID = r.uint32()
		r.bytes(k.Secret[:])
	}
	return s, r.done("metadata system row")
}

func (s *Stream) encode() []byte {
	w := writer{b: make([]byte, 0, 64+len(s.Name))}
	w.byte(version)
	w.string(s.Name)
	w.byte(byte(s.Status))
	w.time(s.CreatedMs)
	w.time(s.CreatedSec)
	w.uint32(s.RetentionHours)
	w.time(s.FloorMs)
	w.uint32(s.NextShard)
	w.uint(uint64(len(s.ScaledMs)))
	for _, ms := range s.ScaledMs {
		w.time(ms)
	}
	w.bool(s.Op != nil)
	if op := s.Op; op != nil {
		w.byte(byte(op.Kind))
		w.byte(byte(op.Step))
		w.time(op.DueMs)
		w.uint32(op.Target)
		w.uint32(op.First)
		w.uint32(op.Count)
		w.uint32(op.Hours)
	}
	return w.b
}

func decodeStream(id stream.StreamID, b []byte) (*Stream, error) {
	r := reader{b: b}
	if v := r.byte(); v != version {
		return nil, fmt.Errorf("metadata row of stream incarnation %d has version %d", id, v)
	}
	s := &Stream{ID: id, superseded: make(chan struct{})}
	s.Name = r.string()
	s.Status = Status(r.byte())
	s.CreatedMs = r.time()
	s.CreatedSec = r.time()
	s.RetentionHours = r.uint32()
	s.FloorMs = r.time()
	s.NextShard = r.uint32()
	for range r.count(1) {
		s.ScaledMs = append(s.ScaledMs, r.time())
	}
	if r.bool() {
		s.Op = &Operation{
			Kind: OpKind(r.byte()), Step: Step(r.byte()), DueMs: r.time(), Target: r.uint32(),
			First: r.uint32(), Count: r.uint32(), Hours: r.uint32(),
		}
		if s.Op.Kind < OpCreate || s.Op.Kind > OpRetention || s.Op.Step < StepOpen || s.Op.Step > StepFinish {
			r.fail()
		}
	}
	if s.Status < Creating || s.Status > Deleting {
		r.fail()
	}
	return s, r.done(fmt.Sprintf("metadata row of stream incarnation %d", id))
}

func (s *Shard) encode() []byte {
	w := writer{b: make([]byte, 0, 80)}
	w.byte(version)
	w.byte(byte(s.Phase))
	w.hashRange(s.Range)
	w.uint32(s.Group)
	w.time(s.CreatedSec)
	w.time(s.OpenedMs)
	w.time(s.ClosedMs)
	w.uint(uint64(s.End))
	w.optional(s.Parent)
	w.optional(s.Adjacent)
	return w.b
}

func decodeShard(id stream.ShardID, b []byte) (*Shard, error) {
	r := reader{b: b}
	if v := r.byte(); v != version {
		return nil, fmt.Errorf("metadata row of shard %s has version %d", id, v)
	}
	s := &Shard{
		ID: id, Phase: Phase(r.byte()), Range: r.hashRange(), Group: r.uint32(), CreatedSec: r.time(),
		OpenedMs: r.time(), ClosedMs: r.time(), End: stream.Position(r.uint()), Parent: r.optional(), Adjacent: r.optional(),
	}
	if s.Phase < Planned || s.Phase > Closed {
		r.fail()
	}
	return s, r.done(fmt.Sprintf("metadata row of shard %s", id))
}

// A tombstone keeps the greatest creation second of a name's last stream as
// long as the clock has not passed it.
func encodeTombstone(sec int64) []byte {
	w := writer{}
	w.byte(version)
	w.time(sec)
	return w.b
}

func decodeTombstone(name string, b []byte) (int64, error) {
	r := reader{b: b}
	if v := r.byte(); v != version {
		return 0, fmt.Errorf("metadata tombstone of %q has version %d", name, v)
	}
	sec := r.time()
	return sec, r.done("metadata tombstone")
}
