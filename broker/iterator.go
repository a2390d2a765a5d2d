package broker

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/stream"
)

// reader is a shard that somebody reads, as it stands.
type reader struct {
	stream *metadata.Stream
	shard  *metadata.Shard
	group  *dataGroup
}

// readable finds a shard by name for a reader.
func (b *Broker) readable(name, shard string) (reader, error) {
	index, err := stream.ParseShardName(shard)
	if err != nil {
		return reader{}, b.account.NoShard(shard, name)
	}
	s, ok := b.meta.Stream(name)
	if !ok || s.Status == metadata.Creating {
		return reader{}, b.account.ShardGone(index, name)
	}
	return b.reader(s, index)
}

func (b *Broker) reader(s *metadata.Stream, index uint32) (reader, error) {
	sh, ok := s.Shard(index)
	if !ok || sh.Phase == metadata.Planned || sh.Phase == metadata.Closed && sh.ClosedMs < s.HorizonMs(b.nowMs()) {
		return reader{}, b.account.ShardGone(index, s.Name)
	}
	g, ok := b.groups[sh.Group]
	if !ok {
		return reader{}, stream.Errorf(stream.CodeUnavailable, "this node does not hold the shard")
	}
	return reader{stream: s, shard: sh, group: g}, nil
}

// state is the shard as its group has it now.
func (b *Broker) state(r reader) (shardlog.ShardState, error) {
	if !r.group.coalescer.Serving() {
		if damaged := r.group.raft.Status().Quarantined; damaged != nil {
			return shardlog.ShardState{}, stream.Wrap(stream.CodeCorrupt, damaged, "the shard's group is out of service")
		}
	}
	st, ok := r.group.machine.Shard(r.shard.ID)
	if !ok || st.Phase == shardlog.Deleting {
		return st, b.account.ShardGone(r.shard.ID.Index, r.stream.Name)
	}
	return st, nil
}

// Iterator makes a token for a place in a shard, good for five minutes and as
// often as one likes. LATEST is fixed at the moment of the call.
func (b *Broker) Iterator(ctx context.Context, name, shard string, from From) (token string, err error) {
	r, err := b.readable(name, shard)
	if err != nil {
		return "", err
	}
	if err := b.chargeIterator(r); err != nil {
		return "", err
	}
	p, err := b.locate(ctx, r, from, "GetShardIterator")
	if err != nil {
		return "", err
	}
	return b.seal(r, p), nil
}

func (b *Broker) seal(r reader, p stream.Position) string {
	return b.meta.Keyring().SealIterator(stream.Iterator{
		Stream: r.stream.ID, StreamName: r.stream.Name, Shard: r.shard.ID.Index, Position: p, IssuedMs: b.nowMs(),
	})
}

// locate is the position of the next record to read.
func (b *Broker) locate(ctx context.Context, r reader, from From, call string) (stream.Position, error) {
	if err := from.check(); err != nil {
		return 0, err
	}
	switch from.Kind {
	case AtSequence, AfterSequence:
		seq, err := b.parseSequence(r, from.Sequence, call)
		if err != nil {
			return 0, err
		}
		if from.Kind == AfterSequence {
			return seq.Position + 1, nil
		}
		return max(seq.Position, 1), nil
	case AtPosition:
		return max(from.Position, 1), nil
	case Latest:
		return b.latest(ctx, r)
	case AtTimestamp:
		return b.atTimestamp(r, from.TimestampMs)
	}
	return 1, nil // TRIM_HORIZON: what has expired is skipped when it is read
}

// check refuses a combination of fields that the API does not know.
func (f From) check() error {
	switch f.Kind {
	case AtSequence, AfterSequence:
		if f.Sequence == "" {
			return wrongFrom(f.Kind, "no")
		}
	case TrimHorizon, Latest:
		if f.Sequence != "" {
			return wrongFrom(f.Kind, "also a")
		}
	case AtTimestamp:
		if f.NoTimestamp {
			return stream.Errorf(stream.CodeInvalidArgument, "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. "+
				"Current request has no timestamp parameter.")
		}
	case AtPosition:
	default:
		return wrongFrom(f.Kind, "no")
	}
	return nil
}

func wrongFrom(k FromKind, has string) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
			"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s StartingSequenceNumber.", k, has)
}

// parseSequence holds a client's number against the shard it is used on.
func (b *Broker) parseSequence(r reader, text, call string) (stream.Sequence, error) {
	seq, err := stream.ParseSequence(text)
	if err != nil {
		return seq, stream.Errorf(stream.CodeInvalidArgument,
			"StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid.",
			text, call, r.shard.ID.Name(), r.stream.Name, b.account.ID)
	}
	if seq.Shard != r.shard.ID.Index {
		return seq, stream.Errorf(stream.CodeInvalidArgument,
			"Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s",
			stream.ShardName(seq.Shard), r.shard.ID.Name())
	}
	// The creation second is greater than that of any shard with this index in
	// an earlier stream of the same name.
	if seq.CreatedSec != r.shard.CreatedSec {
		return seq, stream.Errorf(stream.CodeInvalidArgument,
			"StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid because it did not come from this stream.",
			text, call, r.shard.ID.Name(), r.stream.Name, b.account.ID)
	}
	return seq, nil
}

// latest is the position after everything that was acknowledged before the call.
func (b *Broker) latest(ctx context.Context, r reader) (stream.Position, error) {
	if err := verify(ctx, r.group.raft); err != nil {
		return 0, err
	}
	st, err := b.state(r)
	if err != nil {
		return 0, err
	}
	return st.LastPosition + 1, nil
}

func (b *Broker) atTimestamp(r reader, ms int64) (stream.Position, error) {
	now := r.group.coalescer.NowMs()
	if ms > now {
		return 0, futureTimestamp(ms, now)
	}
	st, err := b.state(r)
	if err != nil {
		return 0, err
	}
	p, err := r.group.machine.SeekTime(r.shard.ID, max(ms, st.HorizonMs(r.group.coalescer.ExpiryMs())))
	if err != nil {
		return 0, b.readError(r, err)
	}
	return p, nil
}

// readError says to a reader that its shard has gone in the words of the API.
func (b *Broker) readError(r reader, err error) error {
	if stream.CodeOf(err) == stream.CodeNotFound {
		return b.account.ShardGone(r.shard.ID.Index, r.stream.Name)
	}
	return err
}

// openIterator reads a token and finds its shard.
func (b *Broker) openIterator(token string) (reader, stream.Position, error) {
	now := b.nowMs()
	it, err := b.meta.Keyring().OpenIterator(token, now)
	switch {
	case errors.Is(err, stream.ErrExpiredToken):
		return reader{}, 0, stream.Errorf(stream.CodeExpiredIterator,
			"Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future "+
				"than the tolerated delay of %d milliseconds.", clockText(it.IssuedMs), clockText(now), stream.TokenLifeMs)
	case err != nil:
		return reader{}, 0, stream.Errorf(stream.CodeInvalidArgument, "Invalid ShardIterator.")
	}
	s, ok := b.meta.StreamByID(it.Stream)
	if !ok {
		return reader{}, 0, b.account.ShardGone(it.Shard, it.StreamName)
	}
	r, err := b.reader(s, it.Shard)
	return r, it.Position, err
}

func clockText(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("Mon Jan 02 15:04:05 UTC 2006")
}
