package grpcapi

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// Streams is what StreamService needs.
type Streams interface {
	CreateStream(ctx context.Context, name string, shards, retentionHours int) error
	DeleteStream(ctx context.Context, name string, enforceConsumerDeletion bool) error
	DescribeStream(ctx context.Context, name string) (broker.StreamInfo, error)
	ListStreams(ctx context.Context, after string, limit int) (infos []broker.StreamInfo, more bool, err error)
	ListShards(ctx context.Context, name string, f broker.ShardFilter, after int64, limit int) (shards []broker.ShardInfo, more bool, err error)
	SplitShard(ctx context.Context, name, shard string, at stream.HashKey) error
	MergeShards(ctx context.Context, name, shard, adjacent string) error
	UpdateShardCount(ctx context.Context, name string, target int) (current int, err error)
	SetRetention(ctx context.Context, name string, hours int, dir broker.RetentionChange) error
}

// Records is what RecordService needs. S is the broker's subscription.
type Records[S Subscription] interface {
	Put(ctx context.Context, name string, records []broker.PutRecord) ([]broker.PutResult, error)
	Iterator(ctx context.Context, name, shard string, from broker.From) (token string, err error)
	ReadUpTo(ctx context.Context, token string, limit, maxBytes int) (broker.ReadResult, error)
	Subscribe(ctx context.Context, name, shard string, from broker.From) (S, error)
}

// Subscription is a reader that waits. One goroutine uses it at a time.
type Subscription interface {
	Shard() broker.ShardInfo
	Position() stream.Position
	Next(ctx context.Context, maxBytes int) (broker.SubscriptionEvent, error)
	Close()
}

// Broker is both.
type Broker[S Subscription] interface {
	Streams
	Records[S]
}

// Config is what the services need beside the broker. The zero value serves.
type Config struct {
	// Stopping ends put streams, once what they have under way is answered, and
	// subscriptions. Close it before the server's GracefulStop.
	Stopping <-chan struct{}
	// PutTimeout is the most that a put may take; a longer one has an unknown
	// outcome. 0 means 10 s.
	PutTimeout time.Duration
	// IdleEvery is how often a subscriber hears that there is nothing new. 0 means 5 s.
	IdleEvery time.Duration
}

// Register serves the broker's streams and records on s.
func Register[S Subscription](s grpc.ServiceRegistrar, b Broker[S], cfg Config) {
	if cfg.PutTimeout <= 0 {
		cfg.PutTimeout = 10 * time.Second
	}
	if cfg.IdleEvery <= 0 {
		cfg.IdleEvery = 5 * time.Second
	}
	runnelv1.RegisterStreamServiceServer(s, &streamService{broker: b})
	runnelv1.RegisterRecordServiceServer(s, &recordService[S]{
		broker: b, cfg: cfg, pushes: newPushMemory(pushMemoryBytes), putting: semaphore.NewWeighted(putMemoryBytes),
	})
}

// Sizes of messages, and of what a connection may have under way unread.
const (
	maxReceive   = stream.MaxPutBytes + 1<<20
	streamWindow = 1 << 20
	connWindow   = 4 << 20
	socketBuffer = 64 << 10
	maxStreams   = 10_000
)

// Options are what a server must be made with to serve Register's services at
// speed and in bounded memory.
func Options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.Codec()),
		grpc.ChainUnaryInterceptor(sendReads),
		grpc.MaxRecvMsgSize(maxReceive),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connWindow),
		grpc.ReadBufferSize(socketBuffer),
		grpc.WriteBufferSize(socketBuffer),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
}
