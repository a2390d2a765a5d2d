package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	runnel   string // the program under test
	dir      string // where data directories are made
	profiles string // where profiles of the node are put; "" for none
	scale    float64
	report   report
	progress io.Writer

	batchRate float64 // records/s that batch reached; 0: it did not run
	batchData written // what batch left for read; nothing if it did not run
}

// scenario is one load, on a node of its own.
type scenario struct {
	name string
	run  func(context.Context, *bench) error
}

// scenarios are in the order in which they run: read uses the data of batch, and
// tail half its rate.
var scenarios = []scenario{
	{"batch", runBatch},
	{"read", runRead},
	{"tail", runTail},
	{"single256", runSingle256},
	{"single1", runSingle1},
	{"shards1000", runShards},
	{"streams1000", runStreams},
	{"cold", runCold},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "onenode:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{progress: os.Stderr}
	flags := flag.NewFlagSet("onenode", flag.ContinueOnError)
	flags.StringVar(&b.runnel, "runnel", "bin/runnel", "the `PROGRAM` to measure")
	flags.Float64Var(&b.scale, "scale", 1, "share of the full length: 1 is at least 60 s and 5 GB each, 20 GB for cold")
	flags.StringVar(&b.profiles, "profiles", "", "`DIR` for CPU and heap profiles of the node under each load")
	flags.Float64Var(&b.batchRate, "batch-rate", 0, "records/s of which tail takes half, if batch does not run")
	only := flags.String("only", "", "`NAMES` of the scenarios to run, separated by commas: "+names())
	parent := flags.String("dir", "bin", "`DIR` on the disk to measure; data is put below it and removed at the end, 30 GB for cold")
	markdown := flags.String("markdown", "", "`FILE` to which the table is written too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if b.scale <= 0 || b.scale > 10 {
		return fmt.Errorf("scale %v is not in (0, 10]", b.scale)
	}
	if b.dir, err = os.MkdirTemp(*parent, "runnel-onenode-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	m, err := look(b.dir)
	if err != nil {
		return err
	}
	b.sayf("%s", m)
	if err := b.runAll(ctx, chosen); err != nil {
		return errors.Join(err, b.report.text(os.Stdout))
	}
	return b.publish(m, *markdown)
}

func names() string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return strings.Join(all, ",")
}

func choose(only string) ([]scenario, error) {
	if only == "" {
		return scenarios, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(only, ",") {
		wanted[name] = true
	}
	var chosen []scenario
	for _, s := range scenarios {
		if wanted[s.name] {
			chosen = append(chosen, s)
			delete(wanted, s.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("no scenario is called %q; there are %s", name, names())
	}
	return chosen, nil
}

func (b *bench) runAll(ctx context.Context, chosen []scenario) error {
	for _, s := range chosen {
		b.sayf("%s", s.name)
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) publish(m machine, markdown string) error {
	fmt.Println(m)
	if err := b.report.text(os.Stdout); err != nil {
		return err
	}
	if n := b.report.missed(); n > 0 {
		fmt.Printf("%d goals were missed.\n", n)
	}
	if markdown == "" {
		return nil
	}
	f, err := os.Create(markdown)
	if err != nil {
		return err
	}
	return errors.Join(b.report.markdown(f, m), f.Close())
}

func (b *bench) sayf(format string, args ...any) {
	fmt.Fprintf(b.progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// seconds and bytes are a full length, scaled.
func (b *bench) seconds(full float64) time.Duration {
	return time.Duration(full * b.scale * float64(time.Second))
}

func (b *bench) bytes(full int64) int64 { return int64(float64(full) * b.scale) }

// dataDir names a data directory for a scenario.
func (b *bench) dataDir(name string) string { return filepath.Join(b.dir, name) }

// start runs a node for a scenario.
func (b *bench) start(ctx context.Context, name string) (*node, error) {
	return startNode(ctx, b.runnel, b.dataDir(name))
}

// with runs do on a node that is stopped afterwards, and killed after an error.
func (b *bench) with(ctx context.Context, name string, do func(*node) error) error {
	n, err := b.start(ctx, name)
	if err != nil {
		return err
	}
	if err := do(n); err != nil {
		return errors.Join(err, n.kill())
	}
	return n.stop()
}

// remove frees the disk after a scenario.
func (b *bench) remove(name string) error { return os.RemoveAll(b.dataDir(name)) }
