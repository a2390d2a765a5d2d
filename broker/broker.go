package broker

import (
	"context"

	"github.com/runnel-io/runnel/stream"
)

// Broker serves the streams of one node.
type Broker struct{}

// Subscription is a reader that waits; see Next.
type Subscription struct{}

var errStarting = stream.Errorf(stream.CodeUnavailable, "the broker is starting")

func (b *Broker) CreateStream(ctx context.Context, name string, shards, retentionHours int) error {
	return errStarting
}

func (b *Broker) DeleteStream(ctx context.Context, name string, enforceConsumerDeletion bool) error {
	return errStarting
}

func (b *Broker) DescribeStream(ctx context.Context, name string) (StreamInfo, error) {
	return StreamInfo{}, errStarting
}

func (b *Broker) DescribeStreamSummary(ctx context.Context, name string) (StreamInfo, error) {
	return StreamInfo{}, errStarting
}

func (b *Broker) ListStreams(ctx context.Context, after string, limit int) (infos []StreamInfo, more bool, err error) {
	return nil, false, errStarting
}

func (b *Broker) ListShards(ctx context.Context, name string, f ShardFilter, after int64, limit int) (shards []ShardInfo, more bool, err error) {
	return nil, false, errStarting
}

func (b *Broker) SplitShard(ctx context.Context, name, shard string, at stream.HashKey) error {
	return errStarting
}

func (b *Broker) MergeShards(ctx context.Context, name, shard, adjacent string) error {
	return errStarting
}

func (b *Broker) UpdateShardCount(ctx context.Context, name string, target int) (current int, err error) {
	return 0, errStarting
}

func (b *Broker) SetRetention(ctx context.Context, name string, hours int, dir RetentionChange) error {
	return errStarting
}

func (b *Broker) Put(ctx context.Context, name string, records []PutRecord) ([]PutResult, error) {
	return nil, errStarting
}

func (b *Broker) Iterator(ctx context.Context, name, shard string, from From) (token string, err error) {
	return "", errStarting
}

func (b *Broker) Read(ctx context.Context, token string, limit int) (ReadResult, error) {
	return ReadResult{}, errStarting
}

func (b *Broker) Subscribe(ctx context.Context, name, shard string, from From) (*Subscription, error) {
	return nil, errStarting
}

// Next waits until there are records after those it returned before, or the end of the shard.
func (s *Subscription) Next(ctx context.Context, maxBytes int) (SubscriptionEvent, error) {
	return SubscriptionEvent{}, errStarting
}

// Shard is the shard that is read.
func (s *Subscription) Shard() ShardInfo { return ShardInfo{} }

// Position is the place of the next record to deliver.
func (s *Subscription) Position() stream.Position { return 0 }

// Idle is what to tell a subscriber that has heard nothing for a while: the last
// event's continuation and how far behind it is.
func (s *Subscription) Idle() SubscriptionEvent { return SubscriptionEvent{} }

func (s *Subscription) Close() {}

func (b *Broker) ShardStats() []ShardStats { return nil }

func (b *Broker) Ready(ctx context.Context) error { return errStarting }

func (b *Broker) Close(ctx context.Context) error { return nil }

// SealPage makes a page token of kind, valid for 300 s.
func (b *Broker) SealPage(kind string, payload []byte) string { return "" }

// OpenPage answers CodeInvalidArgument or CodeExpiredToken.
func (b *Broker) OpenPage(kind, token string) ([]byte, error) { return nil, errStarting }

// StreamARN is the ARN of a stream of that name, existing or not.
func (b *Broker) StreamARN(name string) string { return "" }

func (b *Broker) Account() string { return "" }

func (b *Broker) Region() string { return "" }
