package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// reshardErrors are the errors of all operations that change the shards.
var reshardErrors = []string{
	awsapi.CodeResourceNotFound, awsapi.CodeResourceInUse, awsapi.CodeInvalidArgument, awsapi.CodeLimitExceeded, awsapi.CodeValidation,
}

func (s service) updateShardCount() awsapi.Operation {
	return awsapi.Operation{
		Name: "UpdateShardCount",
		Doc:  "Splits and merges shards until the stream has as many as wanted, of even size. The stream is UPDATING meanwhile.",
		Input: addressed("UpdateShardCountInput",
			required("TargetShardCount", shardCount, "from half to double of the open shards"),
			required("ScalingType", enum("ScalingType", "UNIFORM_SCALING"), "the only one there is"),
		),
		Errors: reshardErrors,
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			target := r.Int("TargetShardCount", 0)
			current, err := s.broker.UpdateShardCount(ctx, name, int(target))
			if err != nil {
				return nil, err
			}
			return func(o shape.Out) {
				o.Text("StreamName", name)
				o.Int("CurrentShardCount", int64(current))
				o.Int("TargetShardCount", target)
				o.Text("StreamARN", s.broker.StreamARN(name))
			}, nil
		},
	}
}
