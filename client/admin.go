package client

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

func (c *Client) streams() runnelv1.StreamServiceClient {
	return runnelv1.NewStreamServiceClient(c.next().conn)
}

// change runs a call that changes something: if its answer is lost, its outcome is unknown.
func (c *Client) change(ctx context.Context, attempt func(context.Context) error) error {
	return c.do(ctx, func(ctx context.Context) error { return c.unary(ctx, attempt, outcome) })
}

// look runs a call that changes nothing and may be repeated at will.
func (c *Client) look(ctx context.Context, attempt func(context.Context) error) error {
	return c.do(ctx, func(ctx context.Context) error { return c.unary(ctx, attempt, wire.FromStatus) })
}

// unary makes one attempt of a call. On a closed client it is not made.
func (c *Client) unary(ctx context.Context, attempt func(context.Context) error, mapped func(error) error) error {
	if c.ctx.Err() != nil {
		return closedError()
	}
	err := mapped(attempt(ctx))
	if code := stream.CodeOf(err); err != nil && code.Retryable() && c.ctx.Err() != nil {
		return stream.Wrap(code, ErrClosed, "no answer came")
	}
	return err
}

// outcome tells a failure that surely changed nothing from one that may have.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	mapped := wire.FromStatus(err)
	st, ok := status.FromError(err)
	if !ok || len(st.Details()) > 0 {
		return mapped
	}
	neverSent := strings.Contains(st.Message(), "Error while dialing") || strings.Contains(st.Message(), "authentication handshake failed")
	switch st.Code() {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Unknown:
		if !neverSent {
			return stream.Wrap(stream.CodeUnknownOutcome, mapped, "the answer was lost")
		}
	}
	return mapped
}

// CreateStream plans a stream with the number of shards; 0 retentionHours means
// 24. It can be used when WaitActive says so.
func (c *Client) CreateStream(ctx context.Context, name string, shards, retentionHours int) error {
	return c.change(ctx, func(ctx context.Context) error {
		_, err := c.streams().CreateStream(ctx, &runnelv1.CreateStreamRequest{
			Name: name, Shards: count(shards), RetentionHours: count(retentionHours),
		})
		return err
	})
}

// DeleteStream deletes a stream and all its records.
func (c *Client) DeleteStream(ctx context.Context, name string) error {
	return c.change(ctx, func(ctx context.Context) error {
		_, err := c.streams().DeleteStream(ctx, &runnelv1.DeleteStreamRequest{Name: name, EnforceConsumerDeletion: true})
		return err
	})
}

// DescribeStream answers stream.CodeNotFound if there is none of that name.
func (c *Client) DescribeStream(ctx context.Context, name string) (StreamInfo, error) {
	var info StreamInfo
	err := c.look(ctx, func(ctx context.Context) error {
		resp, err := c.streams().DescribeStream(ctx, &runnelv1.DescribeStreamRequest{Name: name})
		info = streamInfo(resp.GetStream())
		return err
	})
	return info, err
}

// ListStreams lists at most limit streams with names after the given one, in order
// (0: 100). more tells that there are others.
func (c *Client) ListStreams(ctx context.Context, after string, limit int) (infos []StreamInfo, more bool, err error) {
	err = c.look(ctx, func(ctx context.Context) error {
		resp, err := c.streams().ListStreams(ctx, &runnelv1.ListStreamsRequest{After: after, Limit: count(limit)})
		infos, more = nil, resp.GetMore()
		for _, s := range resp.GetStreams() {
			infos = append(infos, streamInfo(s))
		}
		return err
	})
	return infos, more, err
}

// ListShards lists all shards of a stream that the filter lets through, in the
// order of their index.
func (c *Client) ListShards(ctx context.Context, name string, filter ShardFilter) ([]ShardInfo, error) {
	var shards []ShardInfo
	var after *uint32
	for {
		req := &runnelv1.ListShardsRequest{Stream: name, Filter: filterMessage(filter), After: after}
		var resp *runnelv1.ListShardsResponse
		err := c.look(ctx, func(ctx context.Context) (err error) {
			resp, err = c.streams().ListShards(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, s := range resp.GetShards() {
			shards = append(shards, shardInfo(s))
		}
		if !resp.GetMore() || len(resp.GetShards()) == 0 {
			return shards, nil
		}
		last := shards[len(shards)-1].Index
		after = &last
	}
}

// SplitShard replaces an open shard by two; the upper one starts at the key.
func (c *Client) SplitShard(ctx context.Context, name, shard string, at stream.HashKey) error {
	return c.change(ctx, func(ctx context.Context) error {
		_, err := c.streams().SplitShard(ctx, &runnelv1.SplitShardRequest{Stream: name, Shard: shard, At: hashMessage(at)})
		return err
	})
}

// MergeShards replaces two adjacent open shards by one.
func (c *Client) MergeShards(ctx context.Context, name, shard, adjacent string) error {
	return c.change(ctx, func(ctx context.Context) error {
		_, err := c.streams().MergeShards(ctx, &runnelv1.MergeShardsRequest{Stream: name, Shard: shard, AdjacentShard: adjacent})
		return err
	})
}

// UpdateShardCount splits and merges until there are target open shards. It
// returns the number before.
func (c *Client) UpdateShardCount(ctx context.Context, name string, target int) (current int, err error) {
	err = c.change(ctx, func(ctx context.Context) error {
		resp, err := c.streams().UpdateShardCount(ctx, &runnelv1.UpdateShardCountRequest{Stream: name, Target: count(target)})
		current = int(resp.GetCurrent())
		return err
	})
	return current, err
}

// SetRetention keeps records for that many hours, 24 to 8,760.
func (c *Client) SetRetention(ctx context.Context, name string, hours int) error {
	return c.change(ctx, func(ctx context.Context) error {
		_, err := c.streams().SetRetention(ctx, &runnelv1.SetRetentionRequest{Stream: name, Hours: count(hours)})
		return err
	})
}
