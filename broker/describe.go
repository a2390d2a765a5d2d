package broker

import (
	"context"
	"errors"

	"github.com/runnel-io/runnel/broker/metadata"
	"github.com/runnel-io/runnel/stream"
)

// DescribeStream tells what is known of a stream, whatever its status. Its
// shards are ListShards'.
func (b *Broker) DescribeStream(ctx context.Context, name string) (StreamInfo, error) {
	return b.describe(ctx, opDescribeStream, name)
}

// DescribeStreamSummary is DescribeStream at another rate.
func (b *Broker) DescribeStreamSummary(ctx context.Context, name string) (StreamInfo, error) {
	return b.describe(ctx, opDescribeStreamSummary, name)
}

// Lookup is what this node knows of a stream now. It is charged to no rate: it
// is for the checks of other calls.
func (b *Broker) Lookup(name string) (StreamInfo, error) {
	s, ok := b.meta.Stream(name)
	if !ok {
		return StreamInfo{}, b.account.NoStream(name)
	}
	return b.info(s), nil
}

func (b *Broker) describe(ctx context.Context, op controlOp, name string) (StreamInfo, error) {
	if err := b.rates.charge(op, name, b.cfg.Now()); err != nil {
		return StreamInfo{}, err
	}
	if err := verify(ctx, b.metaGroup); err != nil {
		return StreamInfo{}, err
	}
	s, ok := b.meta.Stream(name)
	if !ok {
		return StreamInfo{}, b.account.NoStream(name)
	}
	return b.info(s), nil
}

func (b *Broker) info(s *metadata.Stream) StreamInfo {
	return StreamInfo{
		ID: s.ID, Name: s.Name, ARN: b.StreamARN(s.Name), Status: Status(s.Status.String()), Mode: ModeProvisioned,
		CreatedMs: s.CreatedMs, RetentionHours: int(s.RetentionHours), OpenShards: len(s.OpenShards()),
		MaxRecordBytes: stream.DefaultMaxRecordBytes,
	}
}

// ListStreams lists streams whose names come after the given one, by name.
func (b *Broker) ListStreams(ctx context.Context, after string, limit int) (infos []StreamInfo, more bool, err error) {
	if err := b.rates.charge(opListStreams, "", b.cfg.Now()); err != nil {
		return nil, false, err
	}
	if err := verify(ctx, b.metaGroup); err != nil {
		return nil, false, err
	}
	streams, more := b.meta.List(after, limit)
	infos = make([]StreamInfo, len(streams))
	for i, s := range streams {
		infos[i] = b.info(s)
	}
	return infos, more, nil
}

// ListShards lists shards whose index is greater than after (-1 for all), by
// index. Errors: CodeInUse unless the stream is ACTIVE or UPDATING.
func (b *Broker) ListShards(ctx context.Context, name string, f ShardFilter, after int64, limit int) (shards []ShardInfo, more bool, err error) {
	if err := b.rates.charge(opListShards, name, b.cfg.Now()); err != nil {
		return nil, false, err
	}
	if err := verify(ctx, b.metaGroup); err != nil {
		return nil, false, err
	}
	s, ok := b.meta.Stream(name)
	if !ok {
		return nil, false, b.account.NoStream(name)
	}
	if s.Status != metadata.Active && s.Status != metadata.Updating {
		return nil, false, b.account.NotActive(name, s.Status)
	}
	keep, err := b.filter(s, f)
	if err != nil {
		return nil, false, err
	}
	for _, sh := range s.Shards() {
		if int64(sh.ID.Index) <= after || !keep(sh) {
			continue
		}
		if len(shards) == limit {
			return shards, true, nil
		}
		shards = append(shards, shardInfo(sh))
	}
	return shards, false, nil
}

// filter tells which shards a filter lists. A shard is open during [OpenedMs,
// ClosedMs); the closing of parents is the opening of their children, so that
// at every time since the horizon exactly one shard is open for each hash key.
func (b *Broker) filter(s *metadata.Stream, f ShardFilter) (func(*metadata.Shard) bool, error) {
	// The metadata's clock may be ahead of this node's; what it has opened is
	// not in the future.
	now := max(b.nowMs(), b.meta.TimeMs())
	horizon := s.HorizonMs(now)
	listed := func(sh *metadata.Shard) bool {
		return sh.Phase == metadata.Open || sh.Phase == metadata.Closed && sh.ClosedMs >= horizon
	}
	openAt := func(ms int64) func(*metadata.Shard) bool {
		ms = max(ms, horizon)
		return func(sh *metadata.Shard) bool {
			return listed(sh) && sh.OpenedMs <= ms && (sh.Phase == metadata.Open || ms < sh.ClosedMs)
		}
	}
	switch f.Kind {
	case FilterNone, FilterFromTrimHorizon:
		return listed, nil
	case FilterAtTrimHorizon:
		return openAt(horizon), nil
	case FilterAtLatest:
		return func(sh *metadata.Shard) bool { return sh.Phase == metadata.Open }, nil
	case FilterAtTimestamp:
		if f.TimestampMs > now {
			return nil, futureTimestamp(f.TimestampMs, now)
		}
		return openAt(f.TimestampMs), nil
	case FilterFromTimestamp:
		if f.TimestampMs > now {
			return nil, futureTimestamp(f.TimestampMs, now)
		}
		from := max(f.TimestampMs, horizon)
		return func(sh *metadata.Shard) bool {
			return sh.Phase == metadata.Open || sh.Phase == metadata.Closed && sh.ClosedMs >= from
		}, nil
	case FilterAfterShard:
		index, err := stream.ParseShardName(f.ShardID)
		if err != nil {
			return nil, b.account.NoShard(f.ShardID, s.Name)
		}
		return func(sh *metadata.Shard) bool { return listed(sh) && sh.ID.Index > index }, nil
	}
	return nil, stream.Errorf(stream.CodeInvalidArgument, "there is no shard filter %d", f.Kind)
}

func futureTimestamp(ms, nowMs int64) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d",
		ms, nowMs)
}

func shardInfo(sh *metadata.Shard) ShardInfo {
	info := ShardInfo{
		ID: sh.ID, Range: sh.Range, Start: stream.StartingSequence(sh.CreatedSec, sh.ID.Index),
		Parent: sh.Parent, AdjacentParent: sh.Adjacent, OpenedMs: sh.OpenedMs,
	}
	if sh.Phase == metadata.Closed {
		info.Closed = true
		info.ClosedMs = sh.ClosedMs
		info.End = stream.EndingSequence(sh.CreatedSec, sh.ClosedMs/1000, sh.ID.Index)
	}
	return info
}

func childShards(s *metadata.Stream, index uint32) []ChildShard {
	var out []ChildShard
	for _, sh := range s.Children(index) {
		c := ChildShard{ID: sh.ID, Range: sh.Range, Parents: []uint32{uint32(sh.Parent)}}
		if sh.Adjacent >= 0 {
			c.Parents = append(c.Parents, uint32(sh.Adjacent))
		}
		out = append(out, c)
	}
	return out
}

// SealPage makes a page token of a kind, valid for five minutes.
func (b *Broker) SealPage(kind string, payload []byte) string {
	return b.meta.Keyring().SealPage(kind, b.nowMs(), payload)
}

// OpenPage reads a page token of that kind. Errors: CodeInvalidArgument for
// what is not one, CodeExpiredToken.
func (b *Broker) OpenPage(kind, token string) ([]byte, error) {
	payload, _, err := b.meta.Keyring().OpenPage(kind, token, b.nowMs())
	switch {
	case errors.Is(err, stream.ErrExpiredToken):
		return nil, stream.Errorf(stream.CodeExpiredToken, "NextToken has expired: it is valid for 300 seconds.")
	case err != nil:
		return nil, stream.Errorf(stream.CodeInvalidArgument, "Invalid NextToken.")
	}
	return payload, nil
}
