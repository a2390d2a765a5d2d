package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

func (s service) getRecords() awsapi.Operation {
	return awsapi.Operation{
		Name: "GetRecords",
		Doc: "Returns the records at an iterator, up to 10 MiB (1 MiB while many are being read), and the next iterator: none, but ChildShards, " +
			"at the end of a closed shard.",
		Input: input("GetRecordsInput",
			required("ShardIterator", &shape.Shape{Kind: shape.String, Name: "ShardIterator", Bounds: shape.Between(1, 512)}, "the place"),
			optional("Limit", pageLimit, "how many records at most"),
			optional("StreamARN", streamARN, "the stream that the iterator belongs to"),
			optional("StreamId", streamID, "reserved, ignored"),
			optional("DryRun", boolean, "check the request only"),
		),
		Errors: append([]string{awsapi.CodeExpiredIterator}, readErrors...),
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			named := ""
			if r.Has("StreamARN") {
				var err error
				if named, err = s.streamOfARN(r.Text("StreamARN")); err != nil {
					return nil, err
				}
			}
			room, err := s.answers.room(ctx)
			if err != nil {
				return nil, err
			}
			r.WhenSent(func() { s.answers.leave(room) })
			res, err := s.broker.ReadUpTo(ctx, r.Text("ShardIterator"), int(r.Int("Limit", stream.MaxReadRecords)), room)
			if err != nil {
				return nil, err
			}
			room = s.answers.keep(room, blockBytes(res.Blocks))
			if named != "" && named != res.StreamName {
				return nil, awsapi.InvalidArgument("StreamARN does not name the stream of the ShardIterator.")
			}
			if r.Bool("DryRun") {
				return nil, awsapi.DryRun()
			}
			return func(o shape.Out) { readResult(o, &res) }, nil
		},
	}
}

func blockBytes(blocks []broker.ReadBlock) int {
	n := 0
	for i := range blocks {
		n += len(blocks[i].Block.Encoded())
	}
	return n
}

func readResult(o shape.Out, res *broker.ReadResult) {
	if res.NextToken != "" {
		o.Text("NextShardIterator", res.NextToken)
	}
	o.Int("MillisBehindLatest", res.MillisBehind)
	if res.NextToken == "" && len(res.Children) > 0 {
		o.List("ChildShards", func(o shape.Out) {
			for _, c := range res.Children {
				o.Item(func(o shape.Out) {
					o.Text("ShardId", c.ID.Name())
					o.List("ParentShards", func(o shape.Out) {
						for _, p := range c.Parents {
							o.Encoder.Text(stream.ShardName(p))
						}
					})
					hashKeyRange(o, c.Range)
				})
			}
		})
	}
	o.List("Records", func(o shape.Out) {
		for stamp, rec := range res.Records() {
			o.BeginStructure()
			o.Text("SequenceNumber", stamp.Sequence.String())
			o.Time("ApproximateArrivalTimestamp", stamp.ArrivedMs)
			o.Blob("Data", rec.Data)
			if rec.PartitionKey != "" {
				o.Text("PartitionKey", rec.PartitionKey)
			}
			o.EndStructure()
		}
	})
}
