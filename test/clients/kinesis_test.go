//go:build clients

package clients

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const account = "000000000000"

// session is a client and the context of a test.
type session struct {
	t   *testing.T
	ctx context.Context
	*kinesis.Client
}

func newSession(t *testing.T, flags ...string) session {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return session{t, ctx, newClient(startNode(t, flags...))}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (s session) create(name string, shards int32) {
	s.t.Helper()
	must(s.CreateStream(s.ctx, &kinesis.CreateStreamInput{StreamName: aws.String(name), ShardCount: aws.Int32(shards)}))(s.t)
	awaitActive(s.ctx, s.t, s.Client, name)
}

func (s session) shards(name string) []types.Shard {
	s.t.Helper()
	return must(s.ListShards(s.ctx, &kinesis.ListShardsInput{StreamName: aws.String(name)}))(s.t).Shards
}

func (s session) read(in *kinesis.GetShardIteratorInput) *kinesis.GetRecordsOutput {
	s.t.Helper()
	at := must(s.GetShardIterator(s.ctx, in))(s.t)
	return must(s.GetRecords(s.ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator}))(s.t)
}

// TestEveryOperation takes one stream through its life with aws-sdk-go-v2.
func TestEveryOperation(t *testing.T) {
	s := newSession(t, "--quotas", "off", "--lifecycle-delay", "100ms")
	name := aws.String("orders")
	s.create(*name, 2)

	d := must(s.DescribeStream(s.ctx, &kinesis.DescribeStreamInput{StreamName: name}))(t).StreamDescription
	if d.StreamStatus != types.StreamStatusActive || len(d.Shards) != 2 || *d.StreamARN != "arn:aws:kinesis:us-east-1:"+account+":stream/orders" ||
		time.Since(*d.StreamCreationTimestamp) > time.Minute || d.EncryptionType != types.EncryptionTypeNone {
		t.Errorf("%+v", d)
	}
	summary := must(s.DescribeStreamSummary(s.ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: d.StreamARN}))(t).StreamDescriptionSummary
	if *summary.OpenShardCount != 2 || *summary.RetentionPeriodHours != 24 || *summary.StreamName != *name {
		t.Errorf("%+v", summary)
	}

	s.records(name)

	must(s.IncreaseStreamRetentionPeriod(s.ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(48)}))(t)
	awaitActive(s.ctx, t, s.Client, *name)
	must(s.DecreaseStreamRetentionPeriod(s.ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(24)}))(t)
	awaitActive(s.ctx, t, s.Client, *name)

	s.reshard(name)

	must(s.DeleteStream(s.ctx, &kinesis.DeleteStreamInput{StreamName: name}))(t)
	gone := kinesis.NewStreamNotExistsWaiter(s.Client, func(o *kinesis.StreamNotExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	if err := gone.Wait(s.ctx, &kinesis.DescribeStreamInput{StreamName: name}, time.Minute); err != nil {
		t.Error(err)
	}
}

// records puts records one by one and in a batch, and reads them from all kinds of places.
func (s session) records(name *string) {
	s.t.Helper()
	first := aws.String("shardId-000000000000")
	payload := bytes.Repeat([]byte{0, 1, 0xfe, 0xff}, 1000)
	put := must(s.PutRecord(s.ctx, &kinesis.PutRecordInput{StreamName: name, Data: payload, PartitionKey: aws.String("käy"), ExplicitHashKey: aws.String("0")}))(s.t)
	if *put.ShardId != *first {
		s.t.Errorf("%+v", put)
	}
	var entries []types.PutRecordsRequestEntry
	for i := range 100 {
		entries = append(entries, types.PutRecordsRequestEntry{Data: fmt.Append(nil, i), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("5")})
	}
	batch := must(s.PutRecords(s.ctx, &kinesis.PutRecordsInput{StreamName: name, Records: entries}))(s.t)
	if *batch.FailedRecordCount != 0 || len(batch.Records) != len(entries) {
		s.t.Errorf("%+v", batch)
	}

	at := kinesis.GetShardIteratorInput{StreamName: name, ShardId: first, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	all := s.read(&at)
	if len(all.Records) != 101 || !bytes.Equal(all.Records[0].Data, payload) || *all.Records[0].PartitionKey != "käy" || *all.MillisBehindLatest != 0 {
		s.t.Fatalf("%d records", len(all.Records))
	}
	for i, r := range all.Records[1:] {
		if string(r.Data) != fmt.Sprint(i) || *r.SequenceNumber != *batch.Records[i].SequenceNumber {
			s.t.Errorf("record %d is %q %s", i, r.Data, *r.SequenceNumber)
		}
	}
	for kind, want := range map[types.ShardIteratorType]int{
		types.ShardIteratorTypeAtSequenceNumber: 101, types.ShardIteratorTypeAfterSequenceNumber: 100,
		types.ShardIteratorTypeAtTimestamp: 101, types.ShardIteratorTypeLatest: 0,
	} {
		in := at
		in.ShardIteratorType = kind
		switch kind {
		case types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber:
			in.StartingSequenceNumber = put.SequenceNumber
		case types.ShardIteratorTypeAtTimestamp:
			in.Timestamp = all.Records[0].ApproximateArrivalTimestamp
		}
		if got := len(s.read(&in).Records); got != want {
			s.t.Errorf("%s: %d records, want %d", kind, got, want)
		}
	}
}

// reshard splits, merges and scales, and looks at what readers of the parents are told.
func (s session) reshard(name *string) {
	s.t.Helper()
	must(s.SplitShard(s.ctx, &kinesis.SplitShardInput{
		StreamName: name, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("85070591730234615865843651857942052864"),
	}))(s.t)
	awaitActive(s.ctx, s.t, s.Client, *name)
	ended := s.read(&kinesis.GetShardIteratorInput{StreamName: name, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if ended.NextShardIterator != nil || len(ended.ChildShards) != 2 || len(ended.ChildShards[0].ParentShards) != 1 || len(ended.Records) != 101 {
		s.t.Errorf("%+v", ended.ChildShards)
	}
	must(s.MergeShards(s.ctx, &kinesis.MergeShardsInput{
		StreamName: name, ShardToMerge: aws.String("shardId-000000000003"), AdjacentShardToMerge: aws.String("shardId-000000000001"),
	}))(s.t)
	awaitActive(s.ctx, s.t, s.Client, *name)
	scaled := must(s.UpdateShardCount(s.ctx, &kinesis.UpdateShardCountInput{
		StreamName: name, TargetShardCount: aws.Int32(4), ScalingType: types.ScalingTypeUniformScaling,
	}))(s.t)
	if *scaled.CurrentShardCount != 2 || *scaled.TargetShardCount != 4 {
		s.t.Errorf("%+v", scaled)
	}
	awaitActive(s.ctx, s.t, s.Client, *name)
	count := 0
	for _, shard := range s.shards(*name) {
		if open(shard) {
			count++
		}
	}
	if count != 4 {
		s.t.Errorf("%d open shards", count)
	}
	latest := must(s.ListShards(s.ctx, &kinesis.ListShardsInput{StreamName: name, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}))(s.t)
	if len(latest.Shards) != 4 {
		s.t.Errorf("AT_LATEST lists %d shards", len(latest.Shards))
	}
}

func TestPagination(t *testing.T) {
	s := newSession(t, "--quotas", "off")
	for i := range 5 {
		s.create(fmt.Sprintf("page-%d", i), 5)
	}
	var streams []string
	lists := kinesis.NewListStreamsPaginator(s.Client, &kinesis.ListStreamsInput{Limit: aws.Int32(2)})
	for lists.HasMorePages() {
		streams = append(streams, must(lists.NextPage(s.ctx))(t).StreamNames...)
	}
	if got := strings.Join(streams, " "); got != "page-0 page-1 page-2 page-3 page-4" {
		t.Error(got)
	}
	var shards, described int
	in := &kinesis.ListShardsInput{StreamName: aws.String("page-0"), MaxResults: aws.Int32(2)}
	for in != nil { // the SDK has no paginator for it
		page := must(s.ListShards(s.ctx, in))(t)
		shards += len(page.Shards)
		if in = nil; page.NextToken != nil {
			in = &kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(2)}
		}
	}
	descriptions := kinesis.NewDescribeStreamPaginator(s.Client, &kinesis.DescribeStreamInput{StreamName: aws.String("page-0"), Limit: aws.Int32(2)})
	for descriptions.HasMorePages() {
		described += len(must(descriptions.NextPage(s.ctx))(t).StreamDescription.Shards)
	}
	if shards != 5 || described != 5 {
		t.Errorf("%d shards listed, %d described", shards, described)
	}
}

func TestErrors(t *testing.T) {
	s := newSession(t, "--quotas", "off", "--shard-limit", "2")
	s.create("one", 1)
	missing := aws.String("missing")

	_, err := s.DescribeStream(s.ctx, &kinesis.DescribeStreamInput{StreamName: missing})
	wantError[*types.ResourceNotFoundException](t, err, "Stream missing under account "+account+" not found.")
	_, err = s.PutRecord(s.ctx, &kinesis.PutRecordInput{StreamName: missing, Data: []byte("x"), PartitionKey: aws.String("k")})
	wantError[*types.ResourceNotFoundException](t, err, "Stream missing under account "+account+" not found.")
	_, err = s.CreateStream(s.ctx, &kinesis.CreateStreamInput{StreamName: aws.String("one"), ShardCount: aws.Int32(1)})
	wantError[*types.ResourceInUseException](t, err, "Stream one under account "+account+" already exists.")
	_, err = s.CreateStream(s.ctx, &kinesis.CreateStreamInput{StreamName: aws.String("two"), ShardCount: aws.Int32(2)})
	wantError[*types.LimitExceededException](t, err, "")
	_, err = s.CreateStream(s.ctx, &kinesis.CreateStreamInput{StreamName: aws.String("no spaces"), ShardCount: aws.Int32(1)})
	wantCode(t, err, "ValidationException")
	_, err = s.GetRecords(s.ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("forged")})
	wantError[*types.InvalidArgumentException](t, err, "Invalid ShardIterator.")
	_, err = s.ListShards(s.ctx, &kinesis.ListShardsInput{NextToken: aws.String("forged")})
	wantError[*types.InvalidArgumentException](t, err, "")
	_, err = s.DescribeLimits(s.ctx, &kinesis.DescribeLimitsInput{})
	wantCode(t, err, "UnknownOperationException")
	_, err = s.PutRecord(s.ctx, &kinesis.PutRecordInput{StreamName: aws.String("one"), Data: make([]byte, 1<<20), PartitionKey: aws.String("k")})
	wantCode(t, err, "ValidationException")
}

// TestThrottling reads faster than a shard allows.
func TestThrottling(t *testing.T) {
	s := newSession(t)
	s.create("one", 1)
	at := must(s.GetShardIterator(s.ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("one"), ShardId: aws.String("0"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}))(t)
	for range 20 {
		if _, err := s.GetRecords(s.ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator}); err != nil {
			wantError[*types.ProvisionedThroughputExceededException](t, err, "")
			return
		}
	}
	t.Error("20 reads at once were served")
}
