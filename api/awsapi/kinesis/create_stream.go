package kinesis

import (
	"context"
	"fmt"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/stream"
)

// defaultShards is what a stream gets whose creator leaves it to the service.
const defaultShards = 4

const (
	provisioned = "PROVISIONED"
	onDemand    = "ON_DEMAND"
	autoKeys    = "AUTO"
	userKeys    = "USER_PARTITION_KEY"
)

var streamMode = input("StreamModeDetails",
	required("StreamMode", enum("StreamMode", provisioned, onDemand), "who counts the shards"))

var tagMap = &shape.Shape{
	Kind: shape.Map, Name: "TagMap", Bounds: shape.Between(1, 200),
	Key:     &shape.Shape{Kind: shape.String, Name: "TagKey", Bounds: shape.Between(1, 128)},
	Element: &shape.Shape{Kind: shape.String, Name: "TagValue", Bounds: shape.Between(0, 256)},
}

func (s service) createStream() awsapi.Operation {
	return awsapi.Operation{
		Name: "CreateStream",
		Doc:  "Creates a stream. It is CREATING when the call returns, and ACTIVE soon after.",
		Notes: []string{
			"Streams are PROVISIONED. Without ShardCount and StreamModeDetails a stream gets 4 shards.",
			"ON_DEMAND, Tags, WarmThroughputMiBps and a MaxRecordSizeInKiB other than 1024 are refused with InvalidArgumentException.",
		},
		Input: input("CreateStreamInput",
			required("StreamName", streamName, "unique in the account and region"),
			optional("ShardCount", shardCount, "how many shards divide the hash keys evenly"),
			optional("StreamModeDetails", streamMode, "the capacity mode"),
			optional("Tags", tagMap, "labels"),
			optional("WarmThroughputMiBps", &shape.Shape{Kind: shape.Integer, Name: "WarmThroughputMiBps", Bounds: shape.AtLeast(0)}, "of on-demand streams"),
			optional("MaxRecordSizeInKiB", &shape.Shape{Kind: shape.Integer, Name: "MaxRecordSizeInKiB", Bounds: shape.Between(1024, 10_240)}, "of data and key"),
			optional("RecordDistributionStrategy", enum("RecordDistributionStrategy", autoKeys, userKeys), "who chooses a record's shard"),
		),
		Errors: []string{awsapi.CodeResourceInUse, awsapi.CodeLimitExceeded, awsapi.CodeInvalidArgument, awsapi.CodeValidation},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name := r.Text("StreamName")
			shards, err := shardsWanted(name, r)
			if err != nil {
				return nil, err
			}
			return nil, s.broker.CreateStream(ctx, name, shards, 0)
		},
	}
}

// shardsWanted refuses what a stream cannot be here, rather than leave it out.
func shardsWanted(name string, r *awsapi.Request) (int, error) {
	mode := provisioned
	if r.Has("StreamModeDetails") {
		mode = r.Inner("StreamModeDetails").Text("StreamMode")
	}
	refuse := func(format string, args ...any) (int, error) {
		return 0, awsapi.InvalidArgument(fmt.Sprintf(format, args...))
	}
	switch {
	case mode == onDemand:
		return refuse("Stream %s cannot be created: on-demand streams are not available. Use StreamMode=PROVISIONED and ShardCount.", name)
	case r.Text("RecordDistributionStrategy") == autoKeys:
		return refuse("RecordDistributionStrategy=AUTO is only supported for on-demand streams. Stream [%s] is using PROVISIONED mode.", name)
	case r.Has("WarmThroughputMiBps"):
		return refuse("WarmThroughputMiBps is only supported for on-demand streams. Stream [%s] is using PROVISIONED mode.", name)
	case r.Has("Tags"):
		return refuse("Stream %s cannot be created: tags are not available.", name)
	case r.Int("MaxRecordSizeInKiB", 1024) != stream.DefaultMaxRecordBytes>>10:
		return refuse("Stream %s cannot be created: MaxRecordSizeInKiB must be 1024.", name)
	case !r.Has("ShardCount") && r.Has("StreamModeDetails"):
		return refuse("ShardCount must be provided for stream %s in PROVISIONED mode.", name)
	}
	return int(r.Int("ShardCount", defaultShards)), nil
}
