package kinesis

import (
	"context"
	"fmt"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

// maxDescribed is how many shards or streams one page holds at most.
const maxDescribed = 100

func (s service) describeStream() awsapi.Operation {
	return awsapi.Operation{
		Name: "DescribeStream",
		Doc:  "Describes a stream and, page by page, its shards in the order of their ids. While CREATING it has none.",
		Input: addressed("DescribeStreamInput",
			optional("Limit", pageLimit, "shards in a page; more than 100 are 100, as are none"),
			optional("ExclusiveStartShardId", shardID, "begin after this shard"),
		),
		Errors: []string{awsapi.CodeResourceNotFound, awsapi.CodeLimitExceeded, awsapi.CodeInvalidArgument},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			after, err := startAfter(r)
			if err != nil {
				return nil, err
			}
			info, err := s.broker.DescribeStream(ctx, name)
			if err != nil {
				return nil, err
			}
			shards, more, err := s.describedShards(ctx, info, after, int(min(r.Int("Limit", maxDescribed), maxDescribed)))
			if err != nil {
				return nil, err
			}
			return func(o shape.Out) {
				o.Struct("StreamDescription", func(o shape.Out) {
					described(o, info)
					o.Bool("HasMoreShards", more)
					o.List("Shards", func(o shape.Out) {
						for i := range shards {
							o.Item(func(o shape.Out) { shardMembers(o, &shards[i]) })
						}
					})
				})
			}, nil
		},
	}
}

// describedShards lists the shards of a stream, none of one that is coming or going.
func (s service) describedShards(ctx context.Context, info broker.StreamInfo, after int64, limit int) ([]broker.ShardInfo, bool, error) {
	if info.Status != broker.StatusActive && info.Status != broker.StatusUpdating {
		return nil, false, nil
	}
	return s.broker.ListShards(ctx, info.Name, broker.ShardFilter{}, after, limit)
}

// startAfter is the index of ExclusiveStartShardId, -1 without one.
func startAfter(r *awsapi.Request) (int64, error) {
	if !r.Has("ExclusiveStartShardId") {
		return -1, nil
	}
	name := r.Text("ExclusiveStartShardId")
	index, err := stream.ParseShardName(name)
	if err != nil {
		return 0, awsapi.InvalidArgument(fmt.Sprintf("ExclusiveStartShardId %s is not the id of a shard.", name))
	}
	return int64(index), nil
}

// described writes what descriptions and summaries have in common.
func described(o shape.Out, info broker.StreamInfo) {
	o.Text("StreamName", info.Name)
	o.Text("StreamARN", info.ARN)
	o.Text("StreamStatus", string(info.Status))
	o.Struct("StreamModeDetails", func(o shape.Out) { o.Text("StreamMode", info.Mode) })
	o.Int("RetentionPeriodHours", int64(info.RetentionHours))
	o.Time("StreamCreationTimestamp", info.CreatedMs)
	// Nothing enabled is a list of one object with an empty list.
	o.List("EnhancedMonitoring", func(o shape.Out) {
		o.Item(func(o shape.Out) { o.Texts("ShardLevelMetrics") })
	})
	o.Text("EncryptionType", "NONE")
}

func shardMembers(o shape.Out, sh *broker.ShardInfo) {
	o.Text("ShardId", sh.ID.Name())
	if sh.Parent >= 0 {
		o.Text("ParentShardId", stream.ShardName(uint32(sh.Parent)))
	}
	if sh.AdjacentParent >= 0 {
		o.Text("AdjacentParentShardId", stream.ShardName(uint32(sh.AdjacentParent)))
	}
	hashKeyRange(o, sh.Range)
	o.Struct("SequenceNumberRange", func(o shape.Out) {
		o.Text("StartingSequenceNumber", sh.Start.String())
		if sh.Closed {
			o.Text("EndingSequenceNumber", sh.End.String())
		}
	})
}

func hashKeyRange(o shape.Out, r stream.HashRange) {
	o.Struct("HashKeyRange", func(o shape.Out) {
		o.Text("StartingHashKey", r.Start.String())
		o.Text("EndingHashKey", r.End.String())
	})
}
