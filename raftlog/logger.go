package raftlog

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logger passes the library's messages to slog. What the library tells for
// information is one level lower here: it reports every snapshot.
type logger struct {
	out  *slog.Logger
	name string
	args []any
}

var _ hclog.Logger = logger{}

func levelOf(l hclog.Level) slog.Level {
	switch l {
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	case hclog.Info:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

func (l logger) Log(level hclog.Level, msg string, args ...any) {
	at := levelOf(level)
	if !l.out.Enabled(context.Background(), at) {
		return
	}
	plain := make([]any, len(args))
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			a = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		plain[i] = a
	}
	l.out.Log(context.Background(), at, msg, plain...)
}

func (l logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l logger) enabled(level hclog.Level) bool {
	return l.out.Enabled(context.Background(), levelOf(level))
}

func (l logger) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l logger) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l logger) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l logger) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l logger) IsError() bool { return l.enabled(hclog.Error) }

func (l logger) ImpliedArgs() []any { return l.args }

func (l logger) With(args ...any) hclog.Logger {
	return logger{out: l.out.With(args...), name: l.name, args: append(l.args[:len(l.args):len(l.args)], args...)}
}

func (l logger) Name() string { return l.name }

func (l logger) Named(name string) hclog.Logger {
	l.name += "." + name
	return l
}

func (l logger) ResetNamed(name string) hclog.Logger {
	l.name = name
	return l
}

// SetLevel does nothing: slog's handler decides.
func (l logger) SetLevel(hclog.Level) {}

// GetLevel is the lowest level that is shown.
func (l logger) GetLevel() hclog.Level {
	for level := hclog.Trace; level < hclog.Off; level++ {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Off
}

func (l logger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

func (l logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return lineWriter{l} }

type lineWriter struct{ l logger }

func (w lineWriter) Write(b []byte) (int, error) {
	w.l.Info(string(b))
	return len(b), nil
}
