package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/internal/inspect"
	"github.com/runnel-io/runnel/storage"
)

func newInspect(std stdio) *cobra.Command {
	var output string
	s := &config.Settings{}
	s.Add(config.Setting{Name: "output", Usage: "`FORMAT`: table or json", Default: "table", Parse: config.OneOf(&output, "table", "json")})
	cmd := &cobra.Command{
		Use:     "inspect DIR",
		Short:   "Look at a stopped node's data and verify it",
		GroupID: "node",
		Long: `Show what the data directory of a stopped node holds (shards, segments, positions, sizes), and check every block
against its checksum and its place. Nothing is changed. Exit code 7 tells that damage was found; each finding is named.`,
		Example: "  runnel inspect " + home(config.DefaultDataDir()) + "\n  runnel inspect /var/lib/runnel --output json | jq .findings",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one data directory")
			}
			return nil
		},
	}
	s.Bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := s.Load(sources(cmd), config.Known()...); err != nil {
			return err
		}
		return inspectDir(cmd.Context(), std, args[0], output == "json")
	}
	return cmd
}

func inspectDir(ctx context.Context, std stdio, dir string, asJSON bool) error {
	bar := newProgress(std.err, -1, "checking", true)
	defer bar.finish()
	report, err := inspect.Run(ctx, inspect.Config{
		Dir: dir, Logger: slog.New(slog.DiscardHandler),
		Progress: func(done, total int64) { bar.total(total); bar.set(done) },
	})
	bar.finish()
	switch {
	case errors.Is(err, storage.ErrLocked):
		return &failure{exitLocked, fmt.Errorf("a process uses %s", dir), "Stop the node first; only a stopped node's data can be inspected."}
	case errors.Is(err, storage.ErrCorrupt):
		return &failure{exitCorrupt, fmt.Errorf("the store cannot be opened: %w", err), ""}
	case errors.Is(err, storage.ErrNotFound):
		return &failure{exitNotFound, fmt.Errorf("%s holds no data of a node", dir), "Name the directory that \"runnel dev\" prints as data."}
	case err != nil:
		return err
	}
	if asJSON {
		err = printJSON(std.out, report)
	} else {
		err = printReport(std, report)
	}
	if err == nil && len(report.Findings) > 0 {
		err = &failure{code: exitCorrupt, err: fmt.Errorf("damage: %s", plural(len(report.Findings), "finding"))}
	}
	return err
}

func printReport(std stdio, r *inspect.Report) error {
	fmt.Fprintf(std.out, "node %s in %s: %s\nmetadata: %s\n", r.Node, home(r.Dir), plural(len(r.Streams), "stream"), logText(r.Metadata))
	for _, g := range r.Groups {
		fmt.Fprintf(std.out, "\ngroup %d: next position %s, time %s, %s\n", g.Group, number(g.NextPosition), stamp(g.TimeMs), logText(g.Log))
		if len(g.Shards) > 0 {
			t := newTable(std.out, "STREAM", "SHARD", "PHASE", "RECORDS", "BYTES", "BLOCKS", "FIRST", "LAST", "NEWEST")
			for _, s := range g.Shards {
				t.row(s.Stream, s.Shard, s.Phase, number(s.Records), bytesOf(s.Bytes), number(s.Blocks),
					s.FirstPosition, s.LastPosition, stamp(s.LastArrivalMs))
			}
			if err := t.flush(); err != nil {
				return err
			}
		}
		if len(g.Segments) > 0 {
			fmt.Fprintln(std.out)
			t := newTable(std.out, "CLASS", "SEGMENT", "POSITIONS", "BLOCKS", "BYTES", "OLDEST", "NEWEST")
			for _, s := range g.Segments {
				t.row(s.Class, s.Segment, fmt.Sprintf("%d to %d", s.FirstPosition, s.LastPosition), number(s.FoundBlocks),
					bytesOf(s.FoundBytes), stamp(s.FirstArrivalMs), stamp(s.LastArrivalMs))
			}
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(std.out, "\nverified %s with %s in %s, %s\n", plural(r.Verified.Blocks, "block"), plural(r.Verified.Records, "record"),
		plural(r.Verified.Rows, "row"), bytesOf(r.Verified.Bytes))
	if r.Verified.Unapplied > 0 {
		fmt.Fprintf(std.out, "%s of the log not applied yet; the next start does\n", plural(r.Verified.Unapplied, "block"))
	}
	for _, f := range r.Findings {
		fmt.Fprintln(std.out, f)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(std.out, "no damage found")
	}
	return nil
}

func logText(l inspect.Log) string {
	return fmt.Sprintf("log %d to %d, applied %d, term %d", l.First, l.Last, l.Applied, l.Term)
}

func bytesOf(n uint64) string { return size(int64(n)) } //nolint:gosec // bytes on one disk

func stamp(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return moment(time.UnixMilli(ms))
}
