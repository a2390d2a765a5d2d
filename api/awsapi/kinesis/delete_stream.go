package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

func (s service) deleteStream() awsapi.Operation {
	return awsapi.Operation{
		Name: "DeleteStream",
		Doc:  "Deletes a stream with all its records. It is DELETING when the call returns, and gone soon after.",
		Input: addressed("DeleteStreamInput",
			optional("EnforceConsumerDeletion", boolean, "delete registered consumers with it"),
		),
		Errors: []string{awsapi.CodeResourceNotFound, awsapi.CodeLimitExceeded, awsapi.CodeResourceInUse, awsapi.CodeInvalidArgument},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			return nil, s.broker.DeleteStream(ctx, name, r.Bool("EnforceConsumerDeletion"))
		},
	}
}
