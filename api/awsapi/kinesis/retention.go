package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
)

func (s service) increaseRetention() awsapi.Operation {
	return s.retention("IncreaseStreamRetentionPeriod", broker.RetentionIncrease,
		"Keeps records longer, those included that are there. The same as before is accepted.")
}

func (s service) decreaseRetention() awsapi.Operation {
	return s.retention("DecreaseStreamRetentionPeriod", broker.RetentionDecrease,
		"Keeps records for less long. Older ones are out of reach when the call returns. The same as before is accepted.")
}

func (s service) retention(name string, direction broker.RetentionChange, doc string) awsapi.Operation {
	return awsapi.Operation{
		Name:  name,
		Doc:   doc,
		Input: addressed(name+"Input", required("RetentionPeriodHours", hours, "24 to 8760")),
		Errors: []string{
			awsapi.CodeResourceInUse, awsapi.CodeResourceNotFound, awsapi.CodeLimitExceeded, awsapi.CodeInvalidArgument,
		},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			return nil, s.broker.SetRetention(ctx, name, int(r.Int("RetentionPeriodHours", 0)), direction)
		},
	}
}
