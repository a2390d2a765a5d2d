package kinesis

import (
	"fmt"
	"strings"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/stream"
)

// Errors of addressing a stream. The real service's words for them are not known.
const (
	noAddress       = "Either StreamName or StreamARN must be provided."
	addressesDiffer = "StreamARN and StreamName must name the same stream."
)

// stream is the name of the stream that a request is about.
func (s service) stream(r *awsapi.Request) (string, error) {
	name, arn := r.Text("StreamName"), r.Text("StreamARN")
	switch {
	case arn == "" && name == "":
		return "", awsapi.InvalidArgument(noAddress)
	case arn == "":
		return name, nil
	}
	named, err := s.streamOfARN(arn)
	if err != nil {
		return "", err
	}
	if name != "" && name != named {
		return "", awsapi.InvalidArgument(addressesDiffer)
	}
	return named, nil
}

// streamOfARN is the name in the ARN of a stream of this account and region.
// arn satisfies the pattern of its shape, which lets the ARN of a consumer pass; that
// names no stream here, lest a stream be deleted in the place of its consumer.
func (s service) streamOfARN(arn string) (string, error) {
	owner, name, _ := strings.Cut(arn, ":stream/")
	if err := stream.CheckName(name); err != nil {
		return "", awsapi.InvalidArgument(fmt.Sprintf("StreamARN %s is invalid.", arn))
	}
	ours, _, _ := strings.Cut(s.broker.StreamARN(name), ":stream/")
	if afterPartition(owner) != afterPartition(ours) {
		account := owner[strings.LastIndexByte(owner, ':')+1:]
		return "", stream.Errorf(stream.CodeNotFound, "Stream %s under account %s not found.", name, account)
	}
	return name, nil
}

// afterPartition cuts arn:aws or arn:aws-cn off.
func afterPartition(arn string) string {
	_, rest, _ := strings.Cut(arn, ":")
	_, rest, _ = strings.Cut(rest, ":")
	return rest
}
