package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
)

func newStreamList(std stdio) *cobra.Command {
	r := newRemote(std, "table", "json")
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all streams",
		Example: "  runnel stream list\n  runnel stream list --output json",
		Args:    cobra.NoArgs,
	}
	return r.bind(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		views := []streamView{}
		for after, more := "", true; more; {
			infos, m, err := c.ListStreams(ctx, after, 1000)
			if err != nil {
				return err
			}
			for _, info := range infos {
				views, after = append(views, viewOf(info)), info.Name
			}
			more = m && len(infos) > 0
		}
		if r.json() {
			return printJSON(r.std.out, views)
		}
		if len(views) == 0 {
			r.say("There are no streams. Create one with \"runnel stream create NAME\".")
			return nil
		}
		t := newTable(r.std.out, "NAME", "STATUS", "OPEN SHARDS", "RETENTION", "CREATED")
		for _, v := range views {
			t.row(v.Name, v.Status, v.OpenShards, retention(v.RetentionHours), v.Created)
		}
		return t.flush()
	})
}
