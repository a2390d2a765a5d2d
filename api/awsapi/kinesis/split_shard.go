package kinesis

import (
	"context"
	"strings"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/stream"
)

func (s service) splitShard() awsapi.Operation {
	return awsapi.Operation{
		Name: "SplitShard",
		Doc:  "Divides an open shard in two at a hash key. The stream is UPDATING until they have taken its place.",
		Input: addressed("SplitShardInput",
			required("ShardToSplit", shardID, "the shard"),
			required("NewStartingHashKey", hashKey, "where the second of the new shards begins"),
		),
		Errors: reshardErrors,
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			text := r.Text("NewStartingHashKey")
			at, err := stream.ParseHashKey(text)
			beyond := err != nil
			if beyond {
				at = stream.MaxHashKey // no shard can be split there either, and other faults come first
			}
			err = s.broker.SplitShard(ctx, name, r.Text("ShardToSplit"), at)
			if beyond && stream.CodeOf(err) == stream.CodeInvalidArgument {
				return nil, awsapi.InvalidArgument(strings.Replace(awsapi.ErrorOf(err).Message, at.String(), text, 1))
			}
			return nil, err
		},
	}
}
