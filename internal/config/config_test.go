package config

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// load runs a command with the given flags, environment and file.
func load(t *testing.T, file string, env map[string]string, args ...string) (*Dev, error) {
	t.Helper()
	d := &Dev{}
	s := d.Settings()
	src := Sources{
		Lookup:       func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		File:         "runnel.conf",
		FileOptional: true,
		ReadFile: func(string) ([]byte, error) {
			if file == "" {
				return nil, fs.ErrNotExist
			}
			return []byte(file), nil
		},
	}
	var err error
	cmd := &cobra.Command{Use: "dev", RunE: func(*cobra.Command, []string) error {
		err = s.Load(src, Known()...)
		return nil
	}}
	s.Bind(cmd)
	cmd.SetArgs(args)
	if e := cmd.Execute(); e != nil {
		t.Fatal(e)
	}
	return d, err
}

func TestPrecedence(t *testing.T) {
	const file = "# addresses\nhttp = 127.0.0.1:1\ngrpc = 127.0.0.1:2\nadmin = 127.0.0.1:3\nendpoint = 127.0.0.1:2\n"
	env := map[string]string{"RUNNEL_GRPC": "127.0.0.1:20", "RUNNEL_ADMIN": "127.0.0.1:30", "RUNNEL_QUOTAS": ""}
	d, err := load(t, file, env, "--admin", "127.0.0.1:300", "--pprof", "--lifecycle-delay=250ms")
	if err != nil {
		t.Fatal(err)
	}
	if d.HTTP != "127.0.0.1:1" || d.GRPC != "127.0.0.1:20" || d.Admin != "127.0.0.1:300" {
		t.Errorf("http from the file, grpc from the environment, admin from the flag: got %+v", d)
	}
	if !d.Quotas || !d.Pprof || d.LifecycleDelay != 250*time.Millisecond || d.ShardLimit != 20000 {
		t.Errorf("defaults and flags: got %+v", d)
	}
}

// pflag does not take the next word for a flag that can stand alone.
func TestQuotasTakeTheNextWord(t *testing.T) {
	for _, args := range [][]string{{"--quotas", "off"}, {"--quotas=off"}} {
		d, err := load(t, "", nil, args...)
		if err != nil || d.Quotas {
			t.Errorf("%q: quotas %v, error %v", args, d.Quotas, err)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	const file = "http 127.0.0.1:1\nshard_limit = 5\nregion = a\nregion = b\nlog-format = xml\n"
	env := map[string]string{"RUNNEL_QUOTAS": "perhaps"}
	_, err := load(t, file, env, "--grpc", "localhost", "--lifecycle-delay", "2h", "--shard-limit", "none", "--account", "12")
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"runnel.conf:1: write `name = value`",
		`runnel.conf:2: there is no setting "shard_limit"; did you mean "shard-limit"?`,
		"runnel.conf:4: region is set in line 3 already",
		"runnel.conf:5: log-format: \"xml\" is not one of text, json",
		`RUNNEL_QUOTAS: "perhaps" is neither on nor off`,
		`--grpc: "localhost" is not an address`,
		"--lifecycle-delay: 2h is not between 0s and 1h",
		`--shard-limit: "none" is not a whole number`,
		`--account: "12" is not twelve digits`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if len(faults) != 9 {
		t.Errorf("%d faults, want 9:\n%v", len(faults), err)
	}
}

func TestListenersThatCollide(t *testing.T) {
	_, err := load(t, "", nil, "--http", "127.0.0.1:9", "--admin", "127.0.0.1:9")
	if err == nil || !strings.Contains(err.Error(), "--http and --admin are both 127.0.0.1:9") {
		t.Errorf("got %v", err)
	}
	if _, err := load(t, "", nil, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"); err != nil {
		t.Errorf("port 0 twice: %v", err)
	}
}

func TestNamedFileMustExist(t *testing.T) {
	s := new(Dev).Settings()
	err := s.Load(Sources{File: "gone", ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultDirectories(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "relative/is/ignored")
	if got := DefaultDataDir(); got != "/home/me/.local/share/runnel/dev" {
		t.Errorf("data in %s", got)
	}
	if got := DefaultFile(); got != "/home/me/.config/runnel/runnel.conf" {
		t.Errorf("file %s", got)
	}
	t.Setenv("XDG_DATA_HOME", "/data")
	if got := DefaultDataDir(); got != "/data/runnel/dev" {
		t.Errorf("data in %s", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"grpc", "grpc", 0}, {"htpp", "http", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
