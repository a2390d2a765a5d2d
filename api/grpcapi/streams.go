package grpcapi

import (
	"context"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// streamService is runnel.v1.StreamService.
type streamService struct {
	runnelv1.UnimplementedStreamServiceServer
	broker Streams
}

func (s *streamService) CreateStream(ctx context.Context, req *runnelv1.CreateStreamRequest) (*runnelv1.CreateStreamResponse, error) {
	err := firstOf(
		stream.CheckName(req.GetName()),
		checkRange("shards", req.GetShards(), 1, maxCount),
	)
	if err == nil && req.GetRetentionHours() != 0 {
		err = checkRetention(req.GetRetentionHours())
	}
	if err == nil {
		err = s.broker.CreateStream(ctx, req.GetName(), int(req.GetShards()), int(req.GetRetentionHours()))
	}
	return &runnelv1.CreateStreamResponse{}, wire.Status(err)
}

func (s *streamService) DeleteStream(ctx context.Context, req *runnelv1.DeleteStreamRequest) (*runnelv1.DeleteStreamResponse, error) {
	err := stream.CheckName(req.GetName())
	if err == nil {
		err = s.broker.DeleteStream(ctx, req.GetName(), req.GetEnforceConsumerDeletion())
	}
	return &runnelv1.DeleteStreamResponse{}, wire.Status(err)
}

func (s *streamService) DescribeStream(ctx context.Context, req *runnelv1.DescribeStreamRequest) (*runnelv1.DescribeStreamResponse, error) {
	if err := stream.CheckName(req.GetName()); err != nil {
		return nil, wire.Status(err)
	}
	info, err := s.broker.DescribeStream(ctx, req.GetName())
	if err != nil {
		return nil, wire.Status(err)
	}
	return &runnelv1.DescribeStreamResponse{Stream: streamMessage(info)}, nil
}

func (s *streamService) ListStreams(ctx context.Context, req *runnelv1.ListStreamsRequest) (*runnelv1.ListStreamsResponse, error) {
	limit := orElse(req.GetLimit(), defaultStreams)
	err := checkRange("limit", limit, 1, maxPage)
	if err == nil && req.GetAfter() != "" {
		err = stream.CheckName(req.GetAfter())
	}
	if err != nil {
		return nil, wire.Status(err)
	}
	infos, more, err := s.broker.ListStreams(ctx, req.GetAfter(), int(limit))
	if err != nil {
		return nil, wire.Status(err)
	}
	resp := &runnelv1.ListStreamsResponse{More: more}
	for _, info := range infos {
		resp.Streams = append(resp.Streams, streamMessage(info))
	}
	return resp, nil
}

func (s *streamService) ListShards(ctx context.Context, req *runnelv1.ListShardsRequest) (*runnelv1.ListShardsResponse, error) {
	limit := orElse(req.GetLimit(), defaultShards)
	filter, filterErr := shardFilter(req.GetFilter())
	err := firstOf(stream.CheckName(req.GetStream()), checkRange("limit", limit, 1, maxPage), filterErr)
	if err != nil {
		return nil, wire.Status(err)
	}
	after := int64(-1)
	if req.After != nil {
		after = int64(req.GetAfter())
	}
	shards, more, err := s.broker.ListShards(ctx, req.GetStream(), filter, after, int(limit))
	if err != nil {
		return nil, wire.Status(err)
	}
	resp := &runnelv1.ListShardsResponse{More: more}
	for i := range shards {
		resp.Shards = append(resp.Shards, shardMessage(&shards[i]))
	}
	return resp, nil
}

func (s *streamService) SplitShard(ctx context.Context, req *runnelv1.SplitShardRequest) (*runnelv1.SplitShardResponse, error) {
	err := firstOf(stream.CheckName(req.GetStream()), checkShard(req.GetShard()), checkGiven("at", req.GetAt() != nil))
	if err == nil {
		err = s.broker.SplitShard(ctx, req.GetStream(), req.GetShard(), hashKey(req.GetAt()))
	}
	return &runnelv1.SplitShardResponse{}, wire.Status(err)
}

func (s *streamService) MergeShards(ctx context.Context, req *runnelv1.MergeShardsRequest) (*runnelv1.MergeShardsResponse, error) {
	err := firstOf(stream.CheckName(req.GetStream()), checkShard(req.GetShard()), checkShard(req.GetAdjacentShard()))
	if err == nil {
		err = s.broker.MergeShards(ctx, req.GetStream(), req.GetShard(), req.GetAdjacentShard())
	}
	return &runnelv1.MergeShardsResponse{}, wire.Status(err)
}

func (s *streamService) UpdateShardCount(ctx context.Context, req *runnelv1.UpdateShardCountRequest) (*runnelv1.UpdateShardCountResponse, error) {
	err := firstOf(stream.CheckName(req.GetStream()), checkRange("target", req.GetTarget(), 1, maxCount))
	current := 0
	if err == nil {
		current, err = s.broker.UpdateShardCount(ctx, req.GetStream(), int(req.GetTarget()))
	}
	return &runnelv1.UpdateShardCountResponse{Current: clamp(current)}, wire.Status(err)
}

func (s *streamService) SetRetention(ctx context.Context, req *runnelv1.SetRetentionRequest) (*runnelv1.SetRetentionResponse, error) {
	err := firstOf(stream.CheckName(req.GetStream()), checkRetention(req.GetHours()))
	if err == nil {
		err = s.broker.SetRetention(ctx, req.GetStream(), int(req.GetHours()), broker.RetentionSet)
	}
	return &runnelv1.SetRetentionResponse{}, wire.Status(err)
}
