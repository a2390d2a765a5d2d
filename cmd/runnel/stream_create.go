package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/stream"
)

func newStreamCreate(std stdio) *cobra.Command {
	r := newRemote(std, "table", "json")
	var shards int
	var retention time.Duration
	var ifNotExists bool
	var wait waitSettings
	r.settings.Add(shardCount(&shards, "`NUMBER` of shards", "1"))
	r.settings.Add(config.Setting{
		Name: "retention", Usage: "`DURATION` that records are kept, 24h to 8760h in whole hours", Default: "24h", Parse: hours(&retention),
	})
	r.settings.Add(config.Setting{
		Name: "if-not-exists", Usage: "`on|off`: succeed if a stream of that name is there, whatever its shards",
		Default: "off", Bool: true, Parse: config.Switch(&ifNotExists),
	})
	wait.add(r.settings, "it can be used")
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a stream",
		Long: `Create a stream and wait until it can be used.

A name has 1 to 128 letters, digits, dots, hyphens and underscores.`,
		Example: `  runnel stream create orders
  runnel stream create orders --shards 4 --retention 168h
  runnel stream create orders --if-not-exists --output json`,
		Args: streamName,
	}
	return r.bind(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		name := args[0]
		err := c.CreateStream(ctx, name, shards, int(retention.Hours()))
		existed := err != nil && stream.CodeOf(err) == stream.CodeInUse
		switch {
		case existed && !ifNotExists:
			return &failure{code: exitInUse, err: err, hint: "Use it as it is with --if-not-exists, or see \"runnel stream describe " + name + "\"."}
		case err != nil && !existed:
			return err
		}
		return r.created(ctx, c, name, existed, wait)
	})
}

func (r *remote) created(ctx context.Context, c *client.Client, name string, existed bool, wait waitSettings) error {
	var info client.StreamInfo
	var err error
	if wait.wait {
		info, err = r.waitActive(ctx, c, name, wait)
	} else {
		info, err = c.DescribeStream(ctx, name)
	}
	if err != nil {
		return err
	}
	if r.json() {
		return printJSON(r.std.out, viewOf(info))
	}
	did := "created"
	if existed {
		did = "was there already"
	}
	r.say("stream %s %s: %s, %s, keeps records %d hours", name, did, info.Status, plural(info.OpenShards, "shard"), info.RetentionHours)
	return nil
}

// hours takes a retention: whole hours within the limits.
func hours(p *time.Duration) func(string) error {
	parse := config.Duration(p, stream.MinRetentionHours*time.Hour, stream.MaxRetentionHours*time.Hour)
	return func(text string) error {
		if err := parse(text); err != nil {
			return err
		}
		if p.Truncate(time.Hour) != *p {
			return fmt.Errorf("%s is not a whole number of hours", text)
		}
		return nil
	}
}
