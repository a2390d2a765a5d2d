package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
)

func newStreamReshard(std stdio) *cobra.Command {
	r := newRemote(std, "table", "json")
	var shards int
	var wait waitSettings
	r.settings.Add(shardCount(&shards, "`NUMBER` of open shards to have", ""))
	wait.add(r.settings, "it is done")
	cmd := &cobra.Command{
		Use:   "reshard NAME --shards N",
		Short: "Change the number of open shards of a stream",
		Long: `Split and merge shards until the stream has N open ones of equal size. Puts and reads go on meanwhile.
The shards that were replaced stay readable until their records expire. At most twice or half as many at a time.`,
		Example: "  runnel stream reshard orders --shards 8",
		Args:    streamName,
	}
	return r.bind(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		name := args[0]
		info, err := c.DescribeStream(ctx, name)
		if err != nil {
			return err
		}
		before := info.OpenShards
		if info.Status != client.StatusActive || before != shards {
			if before, err = c.UpdateShardCount(ctx, name, shards); err != nil {
				return err
			}
			if wait.wait {
				info, err = r.waitActive(ctx, c, name, wait)
			} else {
				info, err = c.DescribeStream(ctx, name)
			}
			if err != nil {
				return err
			}
		}
		if r.json() {
			return printJSON(r.std.out, viewOf(info))
		}
		if before == shards {
			r.say("stream %s has %s already", name, plural(shards, "open shard"))
		} else {
			r.say("stream %s: from %s to %d, %s", name, plural(before, "open shard"), shards, info.Status)
		}
		return nil
	})
}
