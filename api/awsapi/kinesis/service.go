// Package kinesis holds the operations of the Kinesis API, one file each: the
// description of what goes in, and how it is done with a broker. Names, limits and
// texts are those of the real service, API version 2013-12-02.
//
// Everything that has to do with HTTP and encodings is in awsapi; what a stream is,
// is known to the broker alone.
package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

// Broker is what the operations stand on. Its errors are *stream.Error, with the
// texts of the API.
type Broker interface {
	CreateStream(ctx context.Context, name string, shards, retentionHours int) error
	DeleteStream(ctx context.Context, name string, enforceConsumerDeletion bool) error
	DescribeStream(ctx context.Context, name string) (broker.StreamInfo, error)
	DescribeStreamSummary(ctx context.Context, name string) (broker.StreamInfo, error)
	Lookup(name string) (broker.StreamInfo, error)
	ListStreams(ctx context.Context, after string, limit int) (infos []broker.StreamInfo, more bool, err error)
	ListShards(ctx context.Context, name string, f broker.ShardFilter, after int64, limit int) (shards []broker.ShardInfo, more bool, err error)
	SplitShard(ctx context.Context, name, shard string, at stream.HashKey) error
	MergeShards(ctx context.Context, name, shard, adjacent string) error
	UpdateShardCount(ctx context.Context, name string, target int) (current int, err error)
	SetRetention(ctx context.Context, name string, hours int, dir broker.RetentionChange) error
	Put(ctx context.Context, name string, records []broker.PutRecord) ([]broker.PutResult, error)
	Iterator(ctx context.Context, name, shard string, from broker.From) (token string, err error)
	ReadUpTo(ctx context.Context, token string, limit, maxBytes int) (broker.ReadResult, error)
	SealPage(kind string, payload []byte) string
	OpenPage(kind, token string) ([]byte, error)
	StreamARN(name string) string
}

// Service is the Kinesis API on a broker.
func Service(b Broker) awsapi.Service {
	s := service{broker: b, answers: newAnswers(answerBytes)}
	return awsapi.Service{
		Target:    "Kinesis_20131202",
		Namespace: "com.amazonaws.kinesis.v20131202",
		Operations: []awsapi.Operation{
			s.createStream(),
			s.deleteStream(),
			s.describeStream(),
			s.describeStreamSummary(),
			s.listStreams(),
			s.listShards(),
			s.putRecord(),
			s.putRecords(),
			s.getShardIterator(),
			s.getRecords(),
			s.splitShard(),
			s.mergeShards(),
			s.updateShardCount(),
			s.increaseRetention(),
			s.decreaseRetention(),
		},
	}
}

type service struct {
	broker  Broker
	answers *answers
}
