package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/stream"
)

func newStreamDelete(std stdio) *cobra.Command {
	r := newRemote(std)
	var ifExists bool
	var wait waitSettings
	r.settings.Add(config.Setting{
		Name: "if-exists", Usage: "`on|off`: succeed if there is no such stream",
		Default: "off", Bool: true, Parse: config.Switch(&ifExists),
	})
	wait.add(r.settings, "it is gone")
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a stream with all its records",
		Example: "  runnel stream delete orders\n  runnel stream delete orders --if-exists",
		Args:    streamName,
	}
	return r.bind(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		name := args[0]
		switch err := c.DeleteStream(ctx, name); {
		case err != nil && stream.CodeOf(err) == stream.CodeNotFound && ifExists:
			r.say("there was no stream %s", name)
			return nil
		case err != nil:
			return err
		}
		if !wait.wait {
			r.say("stream %s is being deleted", name)
			return nil
		}
		if err := r.waitDeleted(ctx, c, name, wait); err != nil {
			return err
		}
		r.say("stream %s deleted", name)
		return nil
	})
}
