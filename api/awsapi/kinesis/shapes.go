package kinesis

import (
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// The shapes that operations share, with the constraints of the service's model.
var (
	streamName = &shape.Shape{Kind: shape.String, Name: "StreamName", Bounds: shape.Between(1, 128), Pattern: namePattern}
	streamARN  = &shape.Shape{
		Kind: shape.String, Name: "StreamARN", Bounds: shape.Between(1, 2048),
		Pattern: shape.Regexp(`arn:aws.*:kinesis:.*:\d{12}:stream/\S+`,
			"arn:aws:kinesis:us-east-1:000000000000:stream/example", "arn:aws:s3:::example"),
	}
	streamID = &shape.Shape{
		Kind: shape.String, Name: "StreamId", Bounds: shape.Between(1, 24),
		Pattern: shape.Regexp(`[a-z0-9]{20}-[a-z0-9]{3}`, "abcdefghij0123456789-abc", "ABC"),
	}
	shardID      = &shape.Shape{Kind: shape.String, Name: "ShardId", Bounds: shape.Between(1, 128), Pattern: namePattern}
	nextToken    = &shape.Shape{Kind: shape.String, Name: "NextToken", Bounds: shape.Between(1, 1_048_576)}
	pageLimit    = &shape.Shape{Kind: shape.Integer, Name: "Limit", Bounds: shape.Between(1, 10_000)}
	shardCount   = &shape.Shape{Kind: shape.Integer, Name: "PositiveInteger", Bounds: shape.AtLeast(1)}
	timestamp    = &shape.Shape{Kind: shape.Timestamp, Name: "Timestamp"}
	boolean      = &shape.Shape{Kind: shape.Boolean, Name: "Boolean"}
	hours        = &shape.Shape{Kind: shape.Integer, Name: "RetentionPeriodHours"}
	data         = &shape.Shape{Kind: shape.Blob, Name: "Data", Bounds: shape.Between(0, 10_485_760)}
	partitionKey = &shape.Shape{Kind: shape.String, Name: "PartitionKey", Bounds: shape.Between(1, 256)}

	hashKey = &shape.Shape{
		Kind: shape.String, Name: "HashKey",
		Pattern: &shape.Pattern{Text: `0|([1-9]\d{0,38})`, Match: decimal(39), Good: "170141183460469231731687303715884105728", Bad: "01"},
	}
	sequenceNumber = &shape.Shape{
		Kind: shape.String, Name: "SequenceNumber",
		Pattern: &shape.Pattern{
			Text: `0|([1-9]\d{0,128})`, Match: decimal(129),
			Good: "49655962066601463032522589543535113056108699331451682818", Bad: "-1",
		},
	}

	namePattern = &shape.Pattern{Text: `[a-zA-Z0-9_.-]+`, Match: isName, Good: "example", Bad: "no spaces"}
)

func isName(text []byte) bool {
	for _, c := range text {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return len(text) > 0
}

// decimal matches numbers of up to digits digits without leading zeros.
func decimal(digits int) func([]byte) bool {
	return func(text []byte) bool {
		if len(text) == 0 || len(text) > digits || text[0] == '0' && len(text) > 1 {
			return false
		}
		for _, c := range text {
			if c < '0' || c > '9' {
				return false
			}
		}
		return true
	}
}

// input is the shape of an operation's input.
func input(name string, members ...shape.Member) *shape.Shape {
	return &shape.Shape{Kind: shape.Structure, Name: name, Members: members}
}

// addressed is the input of an operation on a stream that is named or given by ARN.
func addressed(name string, members ...shape.Member) *shape.Shape {
	return input(name, append([]shape.Member{
		optional("StreamName", streamName, "the stream's name"),
		optional("StreamARN", streamARN, "the stream's ARN, beside or instead of its name"),
		optional("StreamId", streamID, "reserved, ignored"),
	}, members...)...)
}

func required(name string, s *shape.Shape, doc string) shape.Member {
	return shape.Member{Name: name, Shape: s, Required: true, Doc: doc}
}

func optional(name string, s *shape.Shape, doc string) shape.Member {
	return shape.Member{Name: name, Shape: s, Doc: doc}
}

// enum is a string of a closed set.
func enum(name string, values ...string) *shape.Shape {
	return &shape.Shape{Kind: shape.String, Name: name, Enum: values}
}
