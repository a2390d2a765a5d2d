package grpcapi

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// recordService is runnel.v1.RecordService. Its two streams are in putstream.go
// and subscribe.go.
type recordService[S Subscription] struct {
	runnelv1.UnimplementedRecordServiceServer
	broker Records[S]
	cfg    Config
	pushes *pushMemory

	putting *semaphore.Weighted // bytes of batches on put streams
}

func (s *recordService[S]) PutRecord(ctx context.Context, req *runnelv1.PutRecordRequest) (*runnelv1.PutRecordResponse, error) {
	results, err := s.putAll(ctx, req.GetStream(), []*runnelv1.PutEntry{req.GetRecord()})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return nil, wire.Status(err)
	}
	return &runnelv1.PutRecordResponse{Sequence: sequenceMessage(results[0].Sequence)}, nil
}

func (s *recordService[S]) PutRecords(ctx context.Context, req *runnelv1.PutRecordsRequest) (*runnelv1.PutRecordsResponse, error) {
	results, err := s.putAll(ctx, req.GetStream(), req.GetRecords())
	if err != nil {
		return nil, wire.Status(err)
	}
	resp := &runnelv1.PutRecordsResponse{Results: make([]*runnelv1.PutResult, len(results))}
	for i, r := range results {
		resp.Results[i] = &runnelv1.PutResult{}
		if r.Err != nil {
			resp.Results[i].Error = wire.FromError(r.Err)
		} else {
			resp.Results[i].Sequence = sequenceMessage(r.Sequence)
		}
	}
	return resp, nil
}

func (s *recordService[S]) putAll(ctx context.Context, name string, entries []*runnelv1.PutEntry) ([]broker.PutResult, error) {
	if err := stream.CheckName(name); err != nil {
		return nil, err
	}
	records := make([]broker.PutRecord, len(entries))
	bytes := 0
	for i, e := range entries {
		if err := checkRecord(e.GetPartitionKey(), len(e.GetData())); err != nil {
			return nil, err
		}
		bytes += len(e.GetPartitionKey()) + len(e.GetData())
		records[i] = broker.PutRecord{PartitionKey: e.GetPartitionKey(), Data: e.GetData()}
		if e.GetExplicitHashKey() != nil {
			k := hashKey(e.GetExplicitHashKey())
			records[i].ExplicitHashKey = &k
		}
	}
	if err := checkBatch(len(records), bytes); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PutTimeout)
	defer cancel()
	return s.broker.Put(ctx, name, records)
}

func (s *recordService[S]) GetIterator(ctx context.Context, req *runnelv1.GetIteratorRequest) (*runnelv1.GetIteratorResponse, error) {
	place, placeErr := from(req.GetFrom())
	if err := firstOf(stream.CheckName(req.GetStream()), checkShard(req.GetShard()), placeErr); err != nil {
		return nil, wire.Status(err)
	}
	token, err := s.broker.Iterator(ctx, req.GetStream(), req.GetShard(), place)
	if err != nil {
		return nil, wire.Status(err)
	}
	return &runnelv1.GetIteratorResponse{Iterator: token}, nil
}

func (s *recordService[S]) ReadRecords(ctx context.Context, req *runnelv1.ReadRecordsRequest) (*runnelv1.ReadRecordsResponse, error) {
	limit := orElse(req.GetLimit(), stream.MaxReadRecords)
	err := firstOf(checkText("iterator", req.GetIterator(), maxIterator), checkRange("limit", limit, 1, stream.MaxReadRecords))
	if err != nil {
		return nil, wire.Status(err)
	}
	l, err := s.pushes.borrowRead(ctx)
	if err != nil {
		return nil, wire.Status(err)
	}
	defer whenSent(ctx, l)
	res, err := s.broker.ReadUpTo(ctx, req.GetIterator(), int(limit), int(l.bytes))
	if err != nil {
		l.back()
		return nil, wire.Status(err)
	}
	bytes, _ := sizes(res.Blocks)
	l.shrink(bytes)
	resp := &runnelv1.ReadRecordsResponse{
		NextIterator: res.NextToken, MillisBehind: res.MillisBehind, Children: childMessages(res.Children),
		CreatedSec: res.Shard.Start.CreatedSec, Shard: res.Shard.ID.Index,
		Blocks: make([]*runnelv1.Block, len(res.Blocks)),
	}
	for i := range res.Blocks {
		resp.Blocks[i] = blockMessage(&res.Blocks[i])
	}
	return resp, nil
}
