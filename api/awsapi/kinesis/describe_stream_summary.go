package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

func (s service) describeStreamSummary() awsapi.Operation {
	return awsapi.Operation{
		Name:   "DescribeStreamSummary",
		Doc:    "Describes a stream without its shards.",
		Notes:  []string{"ConsumerCount is 0. StreamId is absent, which tells clients to address streams as before."},
		Input:  addressed("DescribeStreamSummaryInput"),
		Errors: []string{awsapi.CodeResourceNotFound, awsapi.CodeLimitExceeded, awsapi.CodeInvalidArgument},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			info, err := s.broker.DescribeStreamSummary(ctx, name)
			if err != nil {
				return nil, err
			}
			return func(o shape.Out) {
				o.Struct("StreamDescriptionSummary", func(o shape.Out) {
					described(o, info)
					o.Int("OpenShardCount", int64(info.OpenShards))
					o.Int("ConsumerCount", 0)
					o.Int("MaxRecordSizeInKiB", int64(info.MaxRecordBytes>>10))
				})
			}, nil
		},
	}
}
