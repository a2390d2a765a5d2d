package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/stream"
)

type tail struct {
	*remote
	from     string
	shard    string
	noFollow bool
	limit    int
}

func newTail(std stdio) *cobra.Command {
	t := &tail{remote: newRemote(std, "raw", "json")}
	s := t.settings
	s.Add(config.Setting{
		Name: "from", Usage: "`PLACE` to begin: horizon, latest, a time (RFC 3339), how long ago (10m) or a sequence number (default latest, with --no-follow horizon)",
		Parse: optional(&t.from),
	})
	s.Add(config.Setting{Name: "shard", Usage: "only this shard, by `ID`, and the shards that follow it", Parse: shardID(&t.shard)})
	s.Add(config.Setting{Name: "no-follow", Usage: "`on|off`: end when everything stored so far is shown", Default: "off", Bool: true, Parse: config.Switch(&t.noFollow)})
	s.Add(config.Setting{Name: "limit", Usage: "end after so many `RECORDS`; 0 for no limit", Default: "0", Parse: config.Int(&t.limit, 0, 1<<31-1)})
	cmd := &cobra.Command{
		Use:     "tail STREAM",
		Short:   "Show the records of a stream as they come",
		GroupID: "use",
		Long: `Show the records of a stream, those of one shard in their order. After a reshard the new shards are
followed, each when everything before it was shown.

Output raw is the data of each record and a line feed; json is an object a line, with the data as text, or as
base64 under dataBase64 if it is not UTF-8.`,
		Example: `  runnel tail orders
  runnel tail orders --from horizon --no-follow > orders.txt
  runnel tail orders --from 2026-11-26T08:00:00Z --output json | jq .partitionKey
  runnel tail orders --from 10m --shard shardId-000000000003`,
		Args: streamName,
	}
	return t.bind(cmd, t.run)
}

func shardID(p *string) func(string) error {
	return func(text string) error {
		if text == "" {
			return nil
		}
		n, err := stream.ParseShardName(text)
		if err != nil {
			return fmt.Errorf("%q is not a shard id like shardId-000000000003", text)
		}
		*p = stream.ShardName(n)
		return nil
	}
}

func (t *tail) run(ctx context.Context, c *client.Client, args []string) error {
	from, err := t.place(time.Now())
	if err != nil {
		return err
	}
	var opts []client.SubscribeOption
	if t.shard != "" {
		opts = append(opts, client.WithShards(t.shard))
	}
	if t.noFollow {
		opts = append(opts, client.UntilCaughtUp())
	}
	f, err := c.Follow(ctx, args[0], from, opts...)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(t.std.out, 256<<10)
	err = t.show(ctx, f, w)
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	if ctx.Err() != nil { // an interrupt is how a tail usually ends
		return &failure{code: exitInterrupted, err: errors.New("")}
	}
	return err
}

// place is where --from says to begin. A sequence number says its shard too.
func (t *tail) place(now time.Time) (client.From, error) {
	text := t.from
	if text == "" {
		text = "latest"
		if t.noFollow {
			text = "horizon"
		}
	}
	switch strings.ToLower(text) {
	case "horizon":
		return client.Horizon(), nil
	case "latest":
		return client.Latest(), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return client.AtTime(at), nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return client.AtTime(now.Add(-ago)), nil
	}
	seq, err := stream.ParseSequence(text)
	if err != nil {
		return client.From{}, usage("--from: %q is neither horizon, latest, a time like 2026-11-26T08:00:00Z, a duration like 10m, nor a sequence number", text)
	}
	shard := stream.ShardName(seq.Shard)
	if t.shard != "" && t.shard != shard {
		return client.From{}, usage("--from: the sequence number is of %s, and --shard names %s", shard, t.shard)
	}
	t.shard = shard
	return client.At(seq), nil
}

func (t *tail) show(ctx context.Context, f *client.Follower, w *bufio.Writer) error {
	shown := 0
	for {
		b, err := f.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for r := range b.Records() {
			if err := t.record(w, b.Shard, r); err != nil {
				return err
			}
			if shown++; shown == t.limit {
				return nil
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if b.Ended {
			t.ended(b)
		}
	}
}

// ended tells a person at a terminal why a shard's records stop.
func (t *tail) ended(b *client.Batch) {
	if !terminal(t.std.err) {
		return
	}
	var ids []string
	for _, c := range b.Children {
		ids = append(ids, c.ID)
	}
	fmt.Fprintf(t.std.err, "-- %s is closed; its records go on in %s\n", b.Shard, strings.Join(ids, " and "))
}

type recordView struct {
	Shard        string  `json:"shard"`
	Sequence     string  `json:"sequence"`
	Arrived      string  `json:"arrived"`
	PartitionKey string  `json:"partitionKey"`
	Data         *string `json:"data,omitempty"` // nil if it is not text
	DataBase64   []byte  `json:"dataBase64,omitempty"`
}

func (t *tail) record(w *bufio.Writer, shard string, r client.StoredRecord) error {
	if !t.json() {
		if _, err := w.Write(r.Data); err != nil {
			return err
		}
		return w.WriteByte('\n')
	}
	v := recordView{Shard: shard, Sequence: r.Sequence.String(), Arrived: moment(r.Arrived()), PartitionKey: r.PartitionKey}
	if utf8.Valid(r.Data) {
		text := string(r.Data)
		v.Data = &text
	} else {
		v.DataBase64 = r.Data
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
