package kinesis

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// streamsPage is the kind of ListStreams' page tokens. They hold the last name.
const streamsPage = "ListStreams"

func (s service) listStreams() awsapi.Operation {
	return awsapi.Operation{
		Name: "ListStreams",
		Doc:  "Lists the streams of the account and region by name.",
		Input: input("ListStreamsInput",
			optional("Limit", pageLimit, "streams in a page; more than 100 are 100, as are none"),
			optional("ExclusiveStartStreamName", streamName, "begin after this name"),
			optional("NextToken", nextToken, "go on where the page that gave it ended; it comes before ExclusiveStartStreamName"),
		),
		Errors: []string{awsapi.CodeLimitExceeded, awsapi.CodeExpiredNextToken, awsapi.CodeInvalidArgument},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			after := r.Text("ExclusiveStartStreamName")
			if r.Has("NextToken") {
				payload, err := s.broker.OpenPage(streamsPage, r.Text("NextToken"))
				if err != nil {
					return nil, err
				}
				after = string(payload)
			}
			infos, more, err := s.broker.ListStreams(ctx, after, int(min(r.Int("Limit", maxDescribed), maxDescribed)))
			if err != nil {
				return nil, err
			}
			token := ""
			if more && len(infos) > 0 {
				token = s.broker.SealPage(streamsPage, []byte(infos[len(infos)-1].Name))
			}
			return func(o shape.Out) {
				o.Bool("HasMoreStreams", more)
				if token != "" {
					o.Text("NextToken", token)
				}
				o.List("StreamNames", func(o shape.Out) {
					for i := range infos {
						o.Encoder.Text(infos[i].Name)
					}
				})
				o.List("StreamSummaries", func(o shape.Out) {
					for i := range infos {
						o.Item(func(o shape.Out) {
							o.Text("StreamName", infos[i].Name)
							o.Text("StreamARN", infos[i].ARN)
							o.Text("StreamStatus", string(infos[i].Status))
							o.Struct("StreamModeDetails", func(o shape.Out) { o.Text("StreamMode", infos[i].Mode) })
							o.Time("StreamCreationTimestamp", infos[i].CreatedMs)
						})
					}
				})
			}, nil
		},
	}
}
