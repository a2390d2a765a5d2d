package kinesis

import (
	"context"
	"fmt"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

var putEntry = input("PutRecordsRequestEntry",
	required("Data", data, "the record; with its key up to the size that the stream allows"),
	required("PartitionKey", partitionKey, "records of one key go to one shard"),
	optional("ExplicitHashKey", hashKey, "the hash key, instead of that of the partition key"),
)

func (s service) putRecords() awsapi.Operation {
	return awsapi.Operation{
		Name: "PutRecords",
		Doc:  "Stores up to 500 records, 10 MiB in all. Each is on disk or refused when the call returns; FailedRecordCount counts the refused ones.",
		Notes: []string{
			"Records of one shard keep their order; once one is refused, the later ones of that shard in the call are refused too.",
		},
		Input: addressed("PutRecordsInput",
			required("Records", &shape.Shape{Kind: shape.List, Name: "Records", Bounds: shape.Between(1, stream.MaxPutRecords), Element: putEntry}, "the records"),
			optional("DryRun", boolean, "check the request and store nothing"),
		),
		Errors: putErrors,
		Handle: s.doPutRecords,
	}
}

func (s service) doPutRecords(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
	name, err := s.stream(r)
	if err != nil {
		return nil, err
	}
	records, err := recordsOf(r)
	if err != nil {
		return nil, s.rejected(name, err)
	}
	err = s.checkSize(name, records, func(i int) string { return fmt.Sprintf("records.%d.member.data", i+1) })
	if err != nil {
		return nil, err
	}
	if r.Bool("DryRun") {
		return nil, s.dryRun(name)
	}
	results, err := s.put(ctx, r, name, records)
	if err != nil {
		return nil, err
	}
	return func(o shape.Out) { putResults(o, results) }, nil
}

// recordsOf views the records of a request.
func recordsOf(r *awsapi.Request) ([]broker.PutRecord, error) {
	n := r.Len("Records")
	records := make([]broker.PutRecord, n)
	var hashes []stream.HashKey
	var at recordPlaces
	total := 0
	for i, entry := range r.List("Records") {
		if i == 0 {
			at = placesOf(entry)
		}
		if hashes == nil && entry.At(at.explicit).Set {
			hashes = make([]stream.HashKey, n)
		}
		var hash *stream.HashKey
		if hashes != nil {
			hash = &hashes[i]
		}
		rec, err := record(entry, at, hash)
		if err != nil {
			return nil, err
		}
		records[i] = rec
		total += len(rec.Data) + len(rec.PartitionKey)
	}
	if total > stream.MaxPutBytes {
		return nil, awsapi.InvalidArgument(fmt.Sprintf("Records size exceeds %d MB limit", stream.MaxPutBytes>>20))
	}
	return records, nil
}

func putResults(o shape.Out, results []broker.PutResult) {
	failed := 0
	for i := range results {
		if results[i].Err != nil {
			failed++
		}
	}
	o.Int("FailedRecordCount", int64(failed))
	o.List("Records", func(o shape.Out) {
		for i := range results {
			o.BeginStructure()
			if err := results[i].Err; err != nil {
				code, message := awsapi.EntryError(err)
				o.Text("ErrorCode", code)
				o.Text("ErrorMessage", message)
			} else {
				o.Text("SequenceNumber", results[i].Sequence.String())
				o.Text("ShardId", stream.ShardName(results[i].Shard))
			}
			o.EndStructure()
		}
	})
}
