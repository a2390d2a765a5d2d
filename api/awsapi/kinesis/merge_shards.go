package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

func (s service) mergeShards() awsapi.Operation {
	return awsapi.Operation{
		Name: "MergeShards",
		Doc:  "Makes one shard of two open neighbours. The stream is UPDATING until it has taken their place.",
		Input: addressed("MergeShardsInput",
			required("ShardToMerge", shardID, "the shard with the lower hash keys"),
			required("AdjacentShardToMerge", shardID, "the shard that begins where the other ends"),
		),
		Errors: reshardErrors,
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			return nil, s.broker.MergeShards(ctx, name, r.Text("ShardToMerge"), r.Text("AdjacentShardToMerge"))
		},
	}
}
