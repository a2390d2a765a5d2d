//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/runnel-io/runnel/bench/checker"
	"github.com/runnel-io/runnel/stream"
)

func newSDK(t *testing.T, n *node) *kinesis.Client {
	t.Helper()
	return kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(n.aws), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

// putSDK puts a batch over the AWS protocol.
func (l *ledger) putSDK(ctx context.Context, c *kinesis.Client, key string) error {
	puts := make([]checker.Put, 1+rand.IntN(20))
	in := &kinesis.PutRecordsInput{StreamName: aws.String(streamName)}
	for i := range puts {
		puts[i] = l.checker.Begin(streamName, key, l.payload())
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: puts[i].Data})
	}
	out, err := c.PutRecords(ctx, in)
	if err != nil {
		return err
	}
	if len(out.Records) != len(puts) {
		return errors.New("an answer for another number of records")
	}
	for i, r := range out.Records {
		if r.ErrorCode != nil {
			err = fmt.Errorf("%s: %s", *r.ErrorCode, aws.ToString(r.ErrorMessage)) // it may be stored or not
			continue
		}
		seq, err := stream.ParseSequence(aws.ToString(r.SequenceNumber))
		if err != nil {
			return err
		}
		puts[i].Acked(seq)
		l.acked.Add(1)
	}
	return err
}
