package kinesis

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

const (
	// shardsPage is the kind of ListShards' page tokens.
	shardsPage = "ListShards"
	// maxShards is how many shards one page holds at most.
	maxShards = 1000
)

// shardFilters are the filters by name.
var shardFilters = map[string]broker.FilterKind{
	"AFTER_SHARD_ID":    broker.FilterAfterShard,
	"AT_TRIM_HORIZON":   broker.FilterAtTrimHorizon,
	"FROM_TRIM_HORIZON": broker.FilterFromTrimHorizon,
	"AT_LATEST":         broker.FilterAtLatest,
	"AT_TIMESTAMP":      broker.FilterAtTimestamp,
	"FROM_TIMESTAMP":    broker.FilterFromTimestamp,
}

func (s service) listShards() awsapi.Operation {
	return awsapi.Operation{
		Name: "ListShards",
		Doc:  "Lists the shards of a stream, open and closed, that have not expired, in the order of their ids.",
		Input: addressed("ListShardsInput",
			optional("NextToken", nextToken, "go on where the page that gave it ended; instead of all that names and narrows"),
			optional("ExclusiveStartShardId", shardID, "begin after this shard"),
			optional("MaxResults", pageLimit, "shards in a page; more than 1000 are 1000, as are none"),
			optional("StreamCreationTimestamp", timestamp, "tells streams of one name apart"),
			optional("ShardFilter", input("ShardFilter",
				required("Type", enum("ShardFilterType", "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON",
					"AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"), "which shards"),
				optional("ShardId", shardID, "of AFTER_SHARD_ID"),
				optional("Timestamp", timestamp, "of AT_TIMESTAMP and FROM_TIMESTAMP"),
			), "only some of the shards"),
		),
		Errors: []string{
			awsapi.CodeResourceNotFound, awsapi.CodeInvalidArgument, awsapi.CodeLimitExceeded,
			awsapi.CodeExpiredNextToken, awsapi.CodeResourceInUse,
		},
		Handle: func(ctx context.Context, r *awsapi.Request) (shape.Reply, error) {
			page, err := s.shardsPage(ctx, r)
			if err != nil {
				return nil, err
			}
			shards, more, err := s.broker.ListShards(ctx, page.name, page.filter, page.after, int(min(r.Int("MaxResults", maxShards), maxShards)))
			if err != nil {
				return nil, err
			}
			token := ""
			if more && len(shards) > 0 {
				page.after = int64(shards[len(shards)-1].ID.Index)
				token = s.broker.SealPage(shardsPage, page.encode())
			}
			return func(o shape.Out) {
				o.List("Shards", func(o shape.Out) {
					for i := range shards {
						o.Item(func(o shape.Out) { shardMembers(o, &shards[i]) })
					}
				})
				if token != "" {
					o.Text("NextToken", token)
				}
			}, nil
		},
	}
}

// listing is where a listing of shards stands.
type listing struct {
	name   string
	filter broker.ShardFilter
	after  int64
}

// shardsPage is the place that the request names, by token or by itself.
func (s service) shardsPage(ctx context.Context, r *awsapi.Request) (listing, error) {
	named := r.Has("StreamName") || r.Has("StreamARN")
	if r.Has("NextToken") {
		if named || r.Has("ExclusiveStartShardId") || r.Has("StreamCreationTimestamp") {
			return listing{}, awsapi.InvalidArgument("NextToken and " + beside(r) + " cannot be provided together.")
		}
		payload, err := s.broker.OpenPage(shardsPage, r.Text("NextToken"))
		if err != nil {
			return listing{}, err
		}
		return decodeListing(payload)
	}
	if !named {
		return listing{}, awsapi.InvalidArgument("Either NextToken or StreamName should be provided.")
	}
	name, err := s.stream(r)
	if err != nil {
		return listing{}, err
	}
	if err := s.checkCreation(name, r); err != nil {
		return listing{}, err
	}
	filter, err := shardFilter(r)
	if err != nil {
		return listing{}, err
	}
	after, err := startAfter(r)
	return listing{name: name, filter: filter, after: after}, err
}

// beside names what was provided with a token. With several the service says StreamName.
func beside(r *awsapi.Request) string {
	if r.Has("StreamARN") && !r.Has("StreamName") {
		return "StreamARN"
	}
	return "StreamName"
}

// checkCreation tells a stream from another one that had its name. Clients know
// the time of its creation to the second.
func (s service) checkCreation(name string, r *awsapi.Request) error {
	if !r.Has("StreamCreationTimestamp") {
		return nil
	}
	info, err := s.broker.Lookup(name)
	if err != nil {
		return err
	}
	if asked := r.Int("StreamCreationTimestamp", 0); asked/1000 != info.CreatedMs/1000 {
		return awsapi.InvalidArgument(fmt.Sprintf("Stream %s was not created at the StreamCreationTimestamp that was provided.", name))
	}
	return nil
}

func shardFilter(r *awsapi.Request) (broker.ShardFilter, error) {
	if !r.Has("ShardFilter") {
		return broker.ShardFilter{}, nil
	}
	in := r.Inner("ShardFilter")
	kind := in.Text("Type")
	f := broker.ShardFilter{Kind: shardFilters[kind], ShardID: in.Text("ShardId"), TimestampMs: in.Int("Timestamp", 0)}
	switch {
	case f.Kind == broker.FilterAfterShard && !in.Has("ShardId"):
		return f, awsapi.InvalidArgument("ShardFilter of type AFTER_SHARD_ID must have a ShardId.")
	case (f.Kind == broker.FilterAtTimestamp || f.Kind == broker.FilterFromTimestamp) && !in.Has("Timestamp"):
		return f, awsapi.InvalidArgument(fmt.Sprintf("ShardFilter of type %s must have a Timestamp.", kind))
	}
	return f, nil
}

// encode is the payload of a page token: its version, what was listed last, the filter, and
// the stream's name.
func (l listing) encode() []byte {
	b := []byte{1, byte(l.filter.Kind)}
	b = binary.BigEndian.AppendUint64(b, uint64(l.after))
	b = binary.BigEndian.AppendUint64(b, uint64(l.filter.TimestampMs))
	return append(b, l.name...)
}

// decodeListing reads what encode wrote. AFTER_SHARD_ID is not kept: what was
// listed last is after it.
func decodeListing(b []byte) (listing, error) {
	const head = 18
	if len(b) <= head || b[0] != 1 {
		return listing{}, awsapi.InvalidArgument("NextToken is invalid.")
	}
	l := listing{
		name:   string(b[head:]),
		filter: broker.ShardFilter{Kind: broker.FilterKind(b[1]), TimestampMs: int64(binary.BigEndian.Uint64(b[10:]))},
		after:  int64(binary.BigEndian.Uint64(b[2:])),
	}
	if l.filter.Kind == broker.FilterAfterShard {
		l.filter = broker.ShardFilter{}
	}
	return l, stream.CheckName(l.name)
}
