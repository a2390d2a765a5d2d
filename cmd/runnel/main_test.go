package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a run of the program did.
type outcome struct {
	code     int
	out, err string
}

// call runs the program as a shell would, without the user's own settings.
func call(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, stdio{strings.NewReader(stdin), &out, &errs})
	return outcome{code, out.String(), errs.String()}
}

// isolate keeps the settings of whoever runs the tests away.
func isolate(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "RUNNEL_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
}

// commands are all that are documented, in the order of docs/cli.md.
var commands = [][]string{
	{},
	{"dev"},
	{"stream"},
	{"stream", "create"},
	{"stream", "list"},
	{"stream", "describe"},
	{"stream", "reshard"},
	{"stream", "delete"},
	{"put"},
	{"tail"},
	{"inspect"},
	{"version"},
}

// TestHelp holds the help of every command against testdata/help.txt, which
// UPDATE_GOLDEN=1 writes anew.
func TestHelp(t *testing.T) {
	isolate(t)
	var all strings.Builder
	for _, c := range commands {
		o := call(t, "", append(c, "--help")...)
		if o.code != exitOK || o.err != "" {
			t.Errorf("%v --help: code %d, %q", c, o.code, o.err)
		}
		if len(c) > 0 && !strings.Contains(o.out, "Examples:\n  runnel "+strings.Join(c, " ")) && c[0] != "stream" {
			t.Errorf("%v --help has no example of its own:\n%s", c, o.out)
		}
		all.WriteString("$ runnel " + strings.Join(append(c, "--help"), " ") + "\n" + o.out + "\n")
	}
	golden := filepath.Join("testdata", "help.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("help has changed; if that is meant, run UPDATE_GOLDEN=1 go test ./cmd/runnel and read the difference. Now:\n%s", all.String())
	}
}

// TestDocumented keeps docs/cli.md complete.
func TestDocumented(t *testing.T) {
	isolate(t)
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	flag := regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`)
	for _, c := range commands {
		if name := strings.Join(c, " "); name != "" && !strings.Contains(string(doc), "runnel "+name) {
			t.Errorf("docs/cli.md does not name runnel %s", name)
		}
		for _, m := range flag.FindAllStringSubmatch(call(t, "", append(c, "--help")...).out, -1) {
			if !strings.Contains(string(doc), m[1]) {
				t.Errorf("docs/cli.md does not name --%s of runnel %s", m[1], strings.Join(c, " "))
			}
		}
	}
}

func TestUsageErrors(t *testing.T) {
	isolate(t)
	for _, c := range []struct {
		args []string
		code int
		want string // in standard error
	}{
		{[]string{"steram", "list"}, exitUsage, `there is no command "steram"; did you mean "stream"?`},
		{[]string{"stream", "lst"}, exitUsage, `there is no command "lst"; did you mean "list"?`},
		{[]string{"stream", "create"}, exitUsage, "name one stream"},
		{[]string{"stream", "create", "a b"}, exitUsage, "a b"},
		{[]string{"stream", "create", "a", "--shards", "0"}, exitUsage, "--shards: 0 is not between 1 and"},
		{[]string{"stream", "create", "a", "--shards", "x", "--retention", "1h", "--output", "xml"}, exitUsage, "3 settings are wrong"},
		{[]string{"stream", "create", "a", "--retention", "24h30m"}, exitUsage, "not a whole number of hours"},
		{[]string{"stream", "reshard", "a"}, exitUsage, "--shards"},
		{[]string{"stream", "list", "--colour"}, exitUsage, "unknown flag: --colour"},
		{[]string{"dev", "now"}, exitUsage, "now"},
		{[]string{"dev", "--http", "nonsense", "--quotas", "maybe"}, exitUsage, "2 settings are wrong"},
		{[]string{"put", "a"}, exitUsage, "say where partition keys come from"},
		{[]string{"put", "a", "--random-key", "--partition-key", "k"}, exitUsage, "choose only one"},
		{[]string{"put", "a", "--key-field", "user.id"}, exitUsage, "is not a path"},
		{[]string{"put", "a", "--partition-key", strings.Repeat("k", 257)}, exitUsage, "at most 256"},
		{[]string{"put", "a", "/nowhere/at/all", "--random-key"}, exitUsage, "no such file"},
		{[]string{"put", "a", "/", "--random-key"}, exitUsage, "is a directory"},
		{[]string{"tail", "a", "--from", "yesterday"}, exitUsage, "neither horizon, latest, a time"},
		{[]string{"tail", "a", "--shard", "seven"}, exitUsage, "is not a shard id"},
		{[]string{"inspect"}, exitUsage, "name one data directory"},
		{[]string{"version", "--config", "/nowhere"}, exitUsage, "read the configuration file"},
	} {
		o := call(t, "", c.args...)
		if o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("runnel %s: code %d, output %q, errors\n%swant code %d and %q",
				strings.Join(c.args, " "), o.code, o.out, o.err, c.code, c.want)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	isolate(t)
	for _, args := range [][]string{
		{"stream", "list"}, {"stream", "create", "a"}, {"tail", "a"}, {"put", "a", "--random-key"},
	} {
		o := call(t, "x\n", append(args, "--endpoint", "127.0.0.1:1")...)
		if o.code != exitUnavailable || !strings.Contains(o.err, `Start one with "runnel dev"`) {
			t.Errorf("runnel %s: code %d\n%s", strings.Join(args, " "), o.code, o.err)
		}
	}
}

func TestVersion(t *testing.T) {
	isolate(t)
	if o := call(t, "", "version"); o.code != exitOK || !strings.HasPrefix(o.out, "runnel ") {
		t.Errorf("got %+v", o)
	}
	if o := call(t, "", "version", "--output", "json"); o.code != exitOK || !strings.Contains(o.out, `"version"`) {
		t.Errorf("got %+v", o)
	}
}

func TestCompletion(t *testing.T) {
	isolate(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if o := call(t, "", "completion", shell); o.code != exitOK || !strings.Contains(o.out, "runnel") {
			t.Errorf("%s: code %d, %d bytes", shell, o.code, len(o.out))
		}
	}
}

func TestInspectNothing(t *testing.T) {
	isolate(t)
	o := call(t, "", "inspect", filepath.Join(t.TempDir(), "nothing"))
	if o.code != exitNotFound || !strings.Contains(o.err, "holds no data of a node") {
		t.Errorf("got %+v", o)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(0), "0"},
		{number(999), "999"},
		{number(1000), "1,000"},
		{number(-1234567), "-1,234,567"},
		{size(1023), "1023 B"},
		{size(1024), "1.0 KiB"},
		{size(5 << 30), "5.0 GiB"},
		{plural(1, "record"), "1 record"},
		{plural(2000, "record"), "2,000 records"},
		{retention(24), "24 hours"},
		{retention(168), "7 days"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
