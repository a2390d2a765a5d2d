package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
)

func newStreamDescribe(std stdio) *cobra.Command {
	r := newRemote(std, "table", "json")
	cmd := &cobra.Command{
		Use:     "describe NAME",
		Short:   "Describe a stream and its shards",
		Example: "  runnel stream describe orders\n  runnel stream describe orders --output json | jq '.shards[].id'",
		Args:    streamName,
	}
	return r.bind(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		info, err := c.DescribeStream(ctx, args[0])
		if err != nil {
			return err
		}
		view := viewOf(info)
		if info.Status == client.StatusActive || info.Status == client.StatusUpdating {
			shards, err := c.ListShards(ctx, args[0], client.ShardFilter{})
			if err != nil {
				return err
			}
			for _, s := range shards {
				view.Shards = append(view.Shards, viewOfShard(s))
			}
		}
		if r.json() {
			return printJSON(r.std.out, view)
		}
		return r.describe(view)
	})
}

func (r *remote) describe(v streamView) error {
	t := newTable(r.std.out)
	t.row("name", v.Name)
	t.row("arn", v.ARN)
	t.row("status", v.Status)
	t.row("mode", v.Mode)
	t.row("created", v.Created)
	t.row("retention", retention(v.RetentionHours))
	t.row("largest record", size(int64(v.MaxRecordBytes)))
	t.row("open shards", v.OpenShards)
	if err := t.flush(); err != nil || len(v.Shards) == 0 {
		return err
	}
	fmt.Fprintln(r.std.out)
	t = newTable(r.std.out, "SHARD", "STATE", "HASH KEYS", "FROM", "OPENED", "CLOSED")
	for _, s := range v.Shards {
		var parents []string
		for _, p := range []string{s.Parent, s.AdjacentParent} {
			if p != "" {
				parents = append(parents, p)
			}
		}
		t.row(s.ID, s.State, s.StartHashKey+" to "+s.EndHashKey, strings.Join(parents, " + "), s.Opened, s.Closed)
	}
	return t.flush()
}

// retention is a number of hours for people.
func retention(hours int) string {
	if hours > 24 && hours%24 == 0 {
		return fmt.Sprintf("%d days", hours/24)
	}
	return fmt.Sprintf("%d hours", hours)
}
