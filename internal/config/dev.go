package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// Dev is what `runnel dev` can be told.
type Dev struct {
	DataDir string

	// Where to listen, host:port.
	HTTP, GRPC, Admin string

	Quotas         bool          // the rates of Kinesis, of shards and of the control plane
	LifecycleDelay time.Duration // how long CREATING, UPDATING and DELETING last at least
	ShardLimit     int           // open shards of the account

	Region, Account string // in ARNs

	TrimAfterClockJump bool
	Pprof              bool

	LogLevel  slog.Level
	LogFormat string // text or json
}

// Settings are the settings that fill d.
func (d *Dev) Settings() *Settings {
	s := &Settings{}
	s.Add(Setting{Name: "data-dir", Usage: "`DIR` that keeps everything between runs", Default: DefaultDataDir(), Parse: Text(&d.DataDir)})
	s.Add(Setting{Name: "http", Usage: "`ADDRESS` of the AWS protocol", Default: "127.0.0.1:4567", Parse: Address(&d.HTTP)})
	s.Add(Setting{Name: "grpc", Usage: "`ADDRESS` of the gRPC API", Default: "127.0.0.1:7070", Parse: Address(&d.GRPC)})
	s.Add(Setting{Name: "admin", Usage: "`ADDRESS` of health, readiness and metrics", Default: "127.0.0.1:7071", Parse: Address(&d.Admin)})
	s.Add(Setting{Name: "quotas", Usage: "`on|off`: enforce the rates of Kinesis", Default: "on", Parse: Switch(&d.Quotas)})
	s.Add(Setting{
		Name: "lifecycle-delay", Usage: "least `DURATION` of CREATING, UPDATING and DELETING", Default: "0s",
		Parse: Duration(&d.LifecycleDelay, 0, time.Hour),
	})
	s.Add(Setting{
		Name: "shard-limit", Usage: "most open `SHARDS` of the account", Default: "20000",
		Parse: Int(&d.ShardLimit, 1, 1_000_000),
	})
	s.Add(Setting{Name: "region", Usage: "`NAME` of the region in ARNs", Default: "us-east-1", Parse: Text(&d.Region)})
	s.Add(Setting{Name: "account", Usage: "twelve `DIGITS` of the account in ARNs", Default: "000000000000", Parse: account(&d.Account)})
	s.Add(Setting{
		Name: "trim-after-clock-jump", Usage: "`on|off`: trim although the clock jumped more than an hour forward while the node was down",
		Default: "off", Bool: true, Parse: Switch(&d.TrimAfterClockJump),
	})
	s.Add(Setting{Name: "pprof", Usage: "`on|off`: serve /debug/pprof at the admin address", Default: "off", Bool: true, Parse: Switch(&d.Pprof)})
	s.Add(Setting{Name: "log-level", Usage: "least `LEVEL` to log: debug, info, warn or error", Default: "info", Parse: Level(&d.LogLevel)})
	s.Add(Setting{Name: "log-format", Usage: "`text|json` on standard error", Default: "text", Parse: OneOf(&d.LogFormat, "text", "json")})
	s.Check(d.distinct)
	return s
}

// distinct finds listeners that would take each other's port.
func (d *Dev) distinct() error {
	taken := map[string]string{}
	var faults []error
	for _, l := range []struct{ name, addr string }{{"http", d.HTTP}, {"grpc", d.GRPC}, {"admin", d.Admin}} {
		if _, port, _ := net.SplitHostPort(l.addr); port == "0" {
			continue
		}
		if other, ok := taken[l.addr]; ok {
			faults = append(faults, fmt.Errorf("--%s and --%s are both %s", other, l.name, l.addr))
		}
		taken[l.addr] = l.name
	}
	return errors.Join(faults...)
}

func account(p *string) func(string) error {
	return func(text string) error {
		if _, err := strconv.ParseUint(text, 10, 64); err != nil || len(text) != 12 {
			return fmt.Errorf("%q is not twelve digits", text)
		}
		*p = text
		return nil
	}
}

// Client is what every command that talks to a node can be told.
type Client struct {
	Endpoint string
	Output   string
}

// Settings are the settings that fill c. The first output format is the default.
func (c *Client) Settings(outputs ...string) *Settings {
	s := &Settings{}
	s.Add(Setting{Name: "endpoint", Usage: "`ADDRESS` of a node's gRPC API", Default: "127.0.0.1:7070", Parse: Address(&c.Endpoint)})
	if len(outputs) > 0 {
		s.Add(Setting{Name: "output", Usage: "`FORMAT`: " + join(outputs), Default: outputs[0], Parse: OneOf(&c.Output, outputs...)})
	}
	return s
}

func join(words []string) string {
	text := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			text += " or " + w
		} else {
			text += ", " + w
		}
	}
	return text
}

// Known are the names of the settings of all commands, which one file may hold.
func Known() []string {
	var names []string
	names = append(names, new(Dev).Settings().names()...)
	return append(names, new(Client).Settings("table").names()...)
}
