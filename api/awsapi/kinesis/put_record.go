package kinesis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

func (s service) putRecord() awsapi.Operation {
	return awsapi.Operation{
		Name:  "PutRecord",
		Doc:   "Stores a record. When the call returns, it is on disk.",
		Notes: []string{"SequenceNumberForOrdering is checked; a record always comes after those whose numbers a client has seen."},
		Input: addressed("PutRecordInput",
			required("Data", data, "the record; with its key up to the size that the stream allows"),
			required("PartitionKey", partitionKey, "records of one key go to one shard, in order"),
			optional("ExplicitHashKey", hashKey, "the hash key, instead of that of the partition key"),
			optional("SequenceNumberForOrdering", sequenceNumber, "the number of a record that this one comes after"),
			optional("DryRun", boolean, "check the request and store nothing"),
		),
		Errors: putErrors,
		Handle: s.doPutRecord,
	}
}

func (s service) doPutRecord(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
	name, err := s.stream(r)
	if err != nil {
		return nil, err
	}
	var hash stream.HashKey
	rec, err := record(r.Struct, placesOf(r.Struct), &hash)
	if err != nil {
		return nil, s.rejected(name, err)
	}
	if err := s.checkOrdering(name, r); err != nil {
		return nil, err
	}
	records := []broker.PutRecord{rec}
	if err := s.checkSize(name, records, func(int) string { return "data" }); err != nil {
		return nil, err
	}
	if r.Bool("DryRun") {
		return nil, s.dryRun(name)
	}
	results, err := s.put(ctx, r, name, records)
	if err != nil {
		return nil, err
	}
	if results[0].Err != nil {
		return nil, results[0].Err
	}
	return func(o shape.Out) {
		o.Text("ShardId", stream.ShardName(results[0].Shard))
		o.Text("SequenceNumber", results[0].Sequence.String())
	}, nil
}

func (s service) checkOrdering(name string, r *awsapi.Request) error {
	if !r.Has("SequenceNumberForOrdering") {
		return nil
	}
	text := r.Text("SequenceNumberForOrdering")
	soon := time.Now().Add(time.Minute).Unix() // the arrival of the newest record may be a little ahead
	if seq, err := stream.ParseSequence(text); err == nil && seq.ArrivedSec <= soon {
		return nil
	}
	info, err := s.broker.Lookup(name)
	if err != nil {
		return err
	}
	return awsapi.InvalidArgument(fmt.Sprintf("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
		text, name, strings.Split(info.ARN, ":")[4]))
}
