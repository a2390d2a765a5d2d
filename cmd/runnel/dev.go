package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/internal/node"
	"github.com/runnel-io/runnel/internal/observe"
	"github.com/runnel-io/runnel/storage"
)

const (
	// memoryLimit is the soft limit of the Go heap unless GOMEMLIMIT says
	// otherwise: the budgets of all rooms and some air, under 400 MiB resident.
	memoryLimit = 330 << 20
	// startTimeout bounds the start; a large log to replay takes seconds.
	startTimeout = 2 * time.Minute
	// stopTimeout bounds the clean stop.
	stopTimeout = 10 * time.Second
)

func newDev(std stdio) *cobra.Command {
	cfg := &config.Dev{}
	settings := cfg.Settings()
	cmd := &cobra.Command{
		Use:     "dev",
		Short:   "Run a node on this machine",
		GroupID: "node",
		Long: `Run one node: a durable Kinesis for development and for small jobs.

It serves the AWS protocol for boto3, the AWS CLI and the AWS SDKs (any credentials are accepted), gRPC for Runnel's own
clients, and health, readiness and Prometheus metrics. Every acknowledged record is synced to disk. The data directory keeps
everything between runs. When the node serves it prints its addresses and a line that begins with "ready".

SIGTERM and SIGINT stop it cleanly. Exit codes: 4 the data directory is in use, 5 the disk is full, 6 the disk failed to sync,
7 damage was found in the data.`,
		Example: `  runnel dev
  runnel dev --data-dir /var/lib/runnel --quotas off
  runnel dev --http 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0 --data-dir "$(mktemp -d)"
  RUNNEL_LIFECYCLE_DELAY=2s runnel dev              # streams take their time, as in AWS`,
		Args: cobra.NoArgs,
	}
	settings.Bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.Load(sources(cmd), config.Known()...); err != nil {
			return err
		}
		return dev(cmd.Context(), std, cfg)
	}
	return cmd
}

func dev(ctx context.Context, std stdio, cfg *config.Dev) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	begun := time.Now()
	n, err := startNode(ctx, std, cfg)
	if err != nil {
		return stopped(cfg, err)
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.Ready(starting); err != nil {
		if n.Err() == nil {
			err = errors.Join(err, closeNode(n))
		}
		return stopped(cfg, err)
	}
	announce(std, cfg, n, time.Since(begun))
	select {
	case <-n.Failed(): // nothing more is written: not even by a clean stop
		return stopped(cfg, n.Err())
	case <-ctx.Done():
	}
	fmt.Fprintln(std.out, "stopping")
	if err := closeNode(n); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	fmt.Fprintln(std.out, "stopped")
	return nil
}

func startNode(ctx context.Context, std stdio, cfg *config.Dev) (*node.Node, error) {
	if err := storage.MakeDir(storage.OSFS(), cfg.DataDir); err != nil {
		return nil, &failure{code: exitUsage, err: fmt.Errorf("data directory: %w", err), hint: "Name another with --data-dir."}
	}
	nc := node.Config{
		DataDir: cfg.DataDir,
		Broker: broker.Config{
			Account: cfg.Account, Region: cfg.Region, Quotas: cfg.Quotas, LifecycleDelay: cfg.LifecycleDelay,
			ShardLimit: cfg.ShardLimit, TrimAfterClockJump: cfg.TrimAfterClockJump,
		},
		Pprof:  cfg.Pprof,
		Logger: observe.NewLogger(std.err, cfg.LogFormat, cfg.LogLevel),
	}
	var faults []error
	for _, l := range []struct {
		flag, addr string
		to         *net.Listener
	}{{"http", cfg.HTTP, &nc.HTTP}, {"grpc", cfg.GRPC, &nc.GRPC}, {"admin", cfg.Admin, &nc.Admin}} {
		listener, err := net.Listen("tcp", l.addr)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s: %w", l.flag, err))
			continue
		}
		*l.to = listener
	}
	if len(faults) > 0 {
		for _, l := range []net.Listener{nc.HTTP, nc.GRPC, nc.Admin} {
			if l != nil {
				_ = l.Close()
			}
		}
		return nil, &failure{
			code: exitUsage, err: errors.Join(faults...),
			hint: "Another node may be running. Choose other ports with --http, --grpc and --admin; port 0 takes any free one.",
		}
	}
	return node.Start(ctx, nc)
}

func announce(std stdio, cfg *config.Dev, n *node.Node, d time.Duration) {
	addr := n.Addr()
	quotas := "on, as in Kinesis"
	if !cfg.Quotas {
		quotas = "off"
	}
	fmt.Fprintf(std.out, "runnel %s, node %s\n", buildVersion(), n.ID())
	t := newTable(std.out)
	t.row("  AWS", "http://"+addr.HTTP, "boto3, the AWS CLI and SDKs; any credentials")
	t.row("  gRPC", addr.GRPC, "runnel stream, put and tail")
	t.row("  admin", "http://"+addr.Admin, "health and metrics")
	t.row("  data", home(cfg.DataDir), "kept between runs")
	t.row("  quotas", quotas)
	_ = t.flush() // whoever closed our output does not want to know
	fmt.Fprintf(std.out, "ready after %s\n", took(d))
}

func closeNode(n *node.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return n.Close(ctx)
}

// stopped gives an error of a node its exit code, and says what to do.
func stopped(cfg *config.Dev, err error) error {
	var f *failure
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, storage.ErrLocked):
		return &failure{exitLocked, fmt.Errorf("another process uses the data directory %s", cfg.DataDir), "Stop it, or name another directory with --data-dir."}
	case errors.Is(err, storage.ErrDiskFull):
		return &failure{exitDiskFull, fmt.Errorf("the disk of %s is full: %w", cfg.DataDir, err), "Nothing acknowledged is lost. Free space and start again."}
	case errors.Is(err, storage.ErrCorrupt):
		return &failure{
			exitCorrupt, fmt.Errorf("damage in %s: %w", cfg.DataDir, err),
			"Nothing was changed. See what is damaged with \"runnel inspect " + cfg.DataDir + "\", and restore the directory from a copy.",
		}
	case errors.Is(err, node.ErrDisk):
		return &failure{exitSync, fmt.Errorf("the disk of %s failed: %w", cfg.DataDir, err), "Nothing acknowledged is lost. See the machine's log for faults of the disk, then start again."}
	}
	return err
}
