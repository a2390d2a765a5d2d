package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
)

// iteratorTypes are the ways to name a place in a shard, in the order in which the
// service's messages list them.
var iteratorTypes = []broker.FromKind{
	broker.AfterSequence, broker.Latest, broker.AtTimestamp, broker.AtSequence, broker.TrimHorizon,
}

func iteratorType() *shape.Shape {
	s := enum("ShardIteratorType")
	for _, k := range iteratorTypes {
		s.Enum = append(s.Enum, k.String())
	}
	return s
}

// readErrors are the errors of reading.
var readErrors = []string{
	awsapi.CodeResourceNotFound, awsapi.CodeInvalidArgument, awsapi.CodeThroughputExceeded, awsapi.CodeInternalFailure, awsapi.CodeDryRun,
}

func (s service) getShardIterator() awsapi.Operation {
	return awsapi.Operation{
		Name: "GetShardIterator",
		Doc:  "Names a place in a shard for GetRecords. The iterator is good for five minutes, any number of times.",
		Input: addressed("GetShardIteratorInput",
			required("ShardId", shardID, "the shard, open or closed"),
			required("ShardIteratorType", iteratorType(), "how the place is named"),
			optional("StartingSequenceNumber", sequenceNumber, "of AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER"),
			optional("Timestamp", timestamp, "of AT_TIMESTAMP"),
			optional("DryRun", boolean, "check the request only"),
		),
		Errors: readErrors,
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			name, err := s.stream(r)
			if err != nil {
				return nil, err
			}
			from := broker.From{
				Sequence:    r.Text("StartingSequenceNumber"),
				TimestampMs: r.Int("Timestamp", 0),
				NoTimestamp: !r.Has("Timestamp"),
			}
			kind := r.Text("ShardIteratorType")
			for _, k := range iteratorTypes {
				if k.String() == kind {
					from.Kind = k
				}
			}
			token, err := s.broker.Iterator(ctx, name, r.Text("ShardId"), from)
			if err != nil {
				return nil, err
			}
			if r.Bool("DryRun") {
				return nil, awsapi.DryRun()
			}
			return func(o shape.Out) { o.Text("ShardIterator", token) }, nil
		},
	}
}
