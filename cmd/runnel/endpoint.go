package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/config"
)

// remote is what commands that use a node share: their settings and the client.
type remote struct {
	std      stdio
	cfg      config.Client
	settings *config.Settings
}

func newRemote(std stdio, outputs ...string) *remote {
	r := &remote{std: std}
	r.settings = r.cfg.Settings(outputs...)
	return r
}

func (r *remote) json() bool { return r.cfg.Output == "json" }

// bind gives cmd the flags and runs do with a connected client.
func (r *remote) bind(cmd *cobra.Command, do func(ctx context.Context, c *client.Client, args []string) error) *cobra.Command {
	r.settings.Bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := r.settings.Load(sources(cmd), config.Known()...); err != nil {
			return err
		}
		c, err := client.New(r.cfg.Endpoint)
		if err != nil {
			return usage("endpoint: %w", err)
		}
		err = do(cmd.Context(), c, args)
		if cerr := c.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close the connection: %w", cerr)
		}
		var told *failure // which says more than that there was a signal
		if err != nil && cmd.Context().Err() != nil && !errors.As(err, &told) {
			return context.Cause(cmd.Context())
		}
		return err
	}
	return cmd
}

// say tells a person what happened. With --output json standard output holds
// the JSON alone, so it goes to standard error.
func (r *remote) say(format string, args ...any) {
	w := r.std.out
	if r.json() {
		w = r.std.err
	}
	fmt.Fprintf(w, format+"\n", args...)
}
