package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/stream"
)

// The exit codes, as docs/cli.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1 // what no other code says
	exitUsage       = 2 // wrong arguments, flags or configuration
	exitUnavailable = 3 // no node answers, or it cannot serve now
	exitLocked      = 4 // the data directory is in use
	exitDiskFull    = 5 // the log could not be written: no space
	exitSync        = 6 // the log could not be synced
	exitCorrupt     = 7 // stored data is damaged
	exitPartial     = 8 // put: some lines were not stored
	exitNotFound    = 9 // no such stream or shard
	exitInUse       = 10
	exitInterrupted = 130
)

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal os.Signal }

func (i *interrupted) Error() string { return "stopped by " + i.signal.String() }

// failure is an error whose exit code and advice are known where it is made.
type failure struct {
	code int
	err  error
	hint string // what to do next, may be ""
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// report tells of the error on w and returns the exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	code, hint := classify(cmd, err)
	if text := err.Error(); text != "" {
		fmt.Fprintf(w, "%s: %s\n", cmd.CommandPath(), text)
	}
	if hint != "" {
		for line := range strings.SplitSeq(hint, "\n") {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	return code
}

func classify(cmd *cobra.Command, err error) (code int, hint string) {
	var f *failure
	var faults config.Faults
	var signal *interrupted
	switch {
	case errors.As(err, &f):
		return f.code, f.hint
	case errors.As(err, &faults):
		return exitUsage, fmt.Sprintf("Every setting is listed by %q.", cmd.CommandPath()+" --help")
	case errors.As(err, &signal):
		return exitInterrupted, ""
	case errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	}
	var e *stream.Error
	if errors.As(err, &e) {
		return classifyCode(cmd, e)
	}
	return exitFailed, ""
}

// classifyCode is for errors of the catalogue, which come from a node.
func classifyCode(cmd *cobra.Command, e *stream.Error) (code int, hint string) {
	switch e.Code {
	case stream.CodeUnavailable, stream.CodeOverloaded:
		return exitUnavailable, unreachable(cmd)
	case stream.CodeNotFound:
		return exitNotFound, `"runnel stream list" shows the streams there are.`
	case stream.CodeInUse:
		return exitInUse, ""
	case stream.CodeValidation, stream.CodeInvalidArgument:
		return exitUsage, ""
	case stream.CodeDiskFull:
		return exitUnavailable, "The node's disk is full. Free space on it, or delete streams; writes then go on by themselves."
	case stream.CodeCorrupt:
		return exitCorrupt, "The node's log names the damage. Stop the node and run \"runnel inspect\" on its data directory."
	case stream.CodeLimitExceeded, stream.CodeThroughputExceeded:
		return exitFailed, "Try again later, or run the node with --quotas off."
	case stream.CodeUnknownOutcome:
		return exitFailed, "The change may have been made or not; look before you try again."
	}
	return exitFailed, ""
}

func unreachable(cmd *cobra.Command) string {
	f := cmd.Flags().Lookup("endpoint")
	if f == nil {
		return ""
	}
	return fmt.Sprintf("Is a node running? Start one with \"runnel dev\", or name another with --endpoint or $%sENDPOINT.", config.EnvPrefix)
}
