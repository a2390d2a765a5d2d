package kinesis

import (
	"context"
	"strings"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

// putErrors are the errors of both ways to put.
var putErrors = []string{
	awsapi.CodeResourceNotFound, awsapi.CodeInvalidArgument, awsapi.CodeThroughputExceeded, awsapi.CodeValidation,
	awsapi.CodeInternalFailure, awsapi.CodeDryRun,
}

// recordPlaces are the places of a record's members in its shape.
type recordPlaces struct{ data, key, explicit int }

func placesOf(r shape.Struct) recordPlaces {
	return recordPlaces{r.Index("Data"), r.Index("PartitionKey"), r.Index("ExplicitHashKey")}
}

// record views a record of the request: it lives as long as the request is held. hash
// is where an explicit hash key goes.
func record(r shape.Struct, at recordPlaces, hash *stream.HashKey) (broker.PutRecord, error) {
	p := broker.PutRecord{PartitionKey: r.At(at.key).View(), Data: r.At(at.data).Bytes}
	if explicit := r.At(at.explicit); explicit.Set {
		k, err := stream.ParseHashKey(explicit.View())
		if err != nil {
			return p, awsapi.InvalidArgument("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was " +
				string(explicit.Bytes))
		}
		*hash = k
		p.ExplicitHashKey = hash
	}
	return p, nil
}

// put stores the records of a request that is held, and lets go of it once it is
// sure that nobody looks at them any more.
func (s service) put(ctx context.Context, r *awsapi.Request, name string, records []broker.PutRecord) ([]broker.PutResult, error) {
	r.Hold()
	results, err := s.broker.Put(ctx, name, records)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if results[i].Err != nil {
			return results, nil
		}
	}
	r.Release()
	return results, nil
}

// rejected is the error of a request to put which is wrong in itself: unless the
// stream is not there, for that comes first.
func (s service) rejected(name string, wrong error) error {
	if _, err := s.broker.Lookup(name); stream.CodeOf(err) == stream.CodeNotFound {
		return err
	}
	return wrong
}

// checkSize refuses records that are too large for their stream. path names the data of
// record i in the error.
func (s service) checkSize(name string, records []broker.PutRecord, path func(i int) string) error {
	for i := range records {
		size := len(records[i].Data) + len(records[i].PartitionKey)
		if size <= stream.DefaultMaxRecordBytes {
			continue
		}
		limit := stream.DefaultMaxRecordBytes
		switch info, err := s.broker.Lookup(name); {
		case err == nil:
			limit = info.MaxRecordBytes
		case stream.CodeOf(err) == stream.CodeNotFound:
			return err
		}
		if size > limit {
			return awsapi.Validation(shape.Detected(1, shape.Violation("'"+shape.BlobText(len(records[i].Data))+"'", path(i),
				shape.TooLong(int64(limit)))))
		}
	}
	return nil
}

// dryRun is the answer to a request that would be done if it were meant.
func (s service) dryRun(name string) error {
	info, err := s.broker.Lookup(name)
	if err != nil {
		return err
	}
	if info.Status == broker.StatusCreating {
		account := strings.Split(info.ARN, ":")[4]
		return stream.Errorf(stream.CodeNotFound, "Stream %s under account %s not found.", name, account)
	}
	return awsapi.DryRun()
}
