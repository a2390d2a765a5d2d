package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/client/producer"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/internal/feed"
	"github.com/runnel-io/runnel/stream"
)

// graceAfterStop bounds the wait for records under way after a signal or a failure.
const graceAfterStop = 10 * time.Second

type put struct {
	*remote
	key      string
	keyField string
	random   bool
	skipBad  bool
}

func newPut(std stdio) *cobra.Command {
	p := &put{remote: newRemote(std, "table", "json")}
	s := p.settings
	s.Add(config.Setting{Name: "partition-key", Usage: "one `KEY` for all: one shard, in order", Parse: optional(&p.key)})
	s.Add(config.Setting{Name: "key-field", Usage: "`JSONPATH` of the key in each line, like $.user.id", Parse: optional(&p.keyField)})
	s.Add(config.Setting{Name: "random-key", Usage: "`on|off`: a key of its own for each line", Default: "off", Bool: true, Parse: config.Switch(&p.random)})
	s.Add(config.Setting{
		Name: "skip-bad", Usage: "`on|off`: skip and report lines that cannot be sent, instead of stopping",
		Default: "off", Bool: true, Parse: config.Switch(&p.skipBad),
	})
	s.Check(p.oneKey)
	cmd := &cobra.Command{
		Use:     "put STREAM [FILE|-]",
		Short:   "Put lines into a stream, one record a line",
		GroupID: "use",
		Long: `Put the lines of a file, or of standard input, into a stream: one record a line, without its line feed.

Records are sent in batches and tried again when a shard's rate is exceeded. Lines with the same partition key go to the same
shard in order. Say where keys come from with one of --partition-key, --key-field and --random-key.

An interrupt (Ctrl-C) stops the reading, waits for what is under way, and says up to which line everything is stored.`,
		Example: `  runnel put orders orders.jsonl --key-field '$.customer.id'
  tail -F app.log | runnel put logs --random-key
  seq 1 1000 | runnel put numbers --partition-key n`,
		Args: putArgs,
	}
	return p.bind(cmd, p.run)
}

// optional takes any text.
func optional(p *string) func(string) error {
	return func(text string) error { *p = text; return nil }
}

func putArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 1 && len(args) != 2 {
		return usage("name one stream, and at most one file")
	}
	return stream.CheckName(args[0])
}

// oneKey makes sure that exactly one way to a key was chosen.
func (p *put) oneKey() error {
	n := 0
	for _, chosen := range []bool{p.key != "", p.keyField != "", p.random} {
		if chosen {
			n++
		}
	}
	switch n {
	case 0:
		return errors.New("say where partition keys come from: --partition-key KEY, --key-field JSONPATH or --random-key")
	case 1:
		return nil
	}
	return errors.New("choose only one of --partition-key, --key-field and --random-key")
}

func (p *put) keyer() (feed.Keyer, error) {
	switch {
	case p.key != "":
		return feed.Fixed(p.key)
	case p.keyField != "":
		return feed.Field(p.keyField)
	}
	return feed.Random(), nil
}

func (p *put) run(ctx context.Context, c *client.Client, args []string) error {
	key, err := p.keyer()
	if err != nil {
		return usage("%w", err)
	}
	input, length, err := p.open(args[1:])
	if err != nil {
		return err
	}
	defer input.Close()
	info, err := c.DescribeStream(ctx, args[0])
	if err != nil {
		return err
	}
	prod, err := producer.New(c, args[0], producer.Config{})
	if err != nil {
		return err
	}
	f := feed.New(feed.Config{
		Input: input, Key: key, Sender: sender{prod}, MaxBytes: info.MaxRecordBytes,
		SkipBad: p.skipBad, OnSkip: p.skipped, GraceAfterStop: graceAfterStop,
	})
	begun := time.Now()
	sum, err := p.watch(ctx, f, length)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if cerr := prod.Close(closing); cerr != nil && err == nil {
		err = cerr
	}
	v := summaryView(args[0], sum, int64(prod.Summary().Retries), time.Since(begun))
	if perr := p.print(v); perr != nil {
		return perr
	}
	return p.outcome(sum, err)
}

// open opens the input. length is -1 if it is not known.
func (p *put) open(args []string) (input io.ReadCloser, length int64, err error) {
	if len(args) == 0 || args[0] == "-" {
		return io.NopCloser(p.std.in), -1, nil
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, 0, &failure{code: exitUsage, err: err}
	}
	length = -1
	switch info, err := file.Stat(); {
	case err == nil && info.IsDir():
		return nil, 0, errors.Join(usage("%s is a directory; name a file of lines", args[0]), file.Close())
	case err == nil && info.Mode().IsRegular():
		length = info.Size()
	}
	return file, length, nil
}

// watch runs the feed and shows its progress on a terminal.
func (p *put) watch(ctx context.Context, f *feed.Feed, length int64) (feed.Summary, error) {
	bar := newProgress(p.std.err, length, "putting", true)
	defer bar.finish()
	done := make(chan struct{})
	var sum feed.Summary
	var err error
	go func() {
		defer close(done)
		sum, err = f.Run(ctx)
	}()
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-done:
			return sum, err
		case <-t.C:
			now := f.Progress()
			bar.describe(fmt.Sprintf("%s stored", plural(now.Records, "record")))
			bar.set(now.ReadBytes)
		}
	}
}

func (p *put) skipped(line int64, err error) {
	fmt.Fprintf(p.std.err, "skipped: %v\n", err)
}

// outcome adds to an error what became of the input, and how to go on.
func (p *put) outcome(sum feed.Summary, err error) error {
	if err == nil {
		return nil
	}
	code := exitPartial
	hint := fmt.Sprintf("Every line up to %d is stored", sum.StoredTo)
	if later := sum.Records + sum.Skipped - sum.StoredTo; later > 0 {
		hint += fmt.Sprintf(", and %s after it", plural(later, "line"))
	}
	hint += "."
	if open := sum.Unanswered + sum.Failed; open > 0 {
		hint += fmt.Sprintf("\nOf %s it is not known that they are stored.", plural(open, "line"))
	}
	hint += fmt.Sprintf("\nGo on from there with: tail -n +%d FILE | runnel put ...", sum.StoredTo+1)
	var signal *interrupted
	var bad *feed.LineError
	switch {
	case errors.As(err, &signal):
		code = exitInterrupted
	case errors.As(err, &bad) && !fromNode(err):
		hint += "\nOr skip such lines with --skip-bad."
	}
	return &failure{code: code, err: err, hint: hint}
}

// fromNode tells whether the error came with an answer, and not of the line.
func fromNode(err error) bool {
	var e *stream.Error
	return errors.As(err, &e)
}

// sender is a producer as a feed sees it.
type sender struct{ *producer.Producer }

func (s sender) Send(ctx context.Context, r stream.Record, done func(feed.Result)) error {
	return s.Put(ctx, client.Record{PartitionKey: r.PartitionKey, Data: r.Data}, func(res producer.Result) {
		done(feed.Result{Shard: res.Sequence.Shard, Sequence: res.Sequence, Err: res.Err})
	})
}
