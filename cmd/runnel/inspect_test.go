package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/internal/inspect"
)

func TestInspectDamage(t *testing.T) {
	isolate(t)
	good := filepath.Join(t.TempDir(), "data")
	dev := startDev(t, good)
	must(t, "", "stream", "create", "orders")
	must(t, "a\nb\n", "put", "orders", "--random-key")
	if o := dev.stop(); o.code != exitOK {
		t.Fatalf("dev: %+v", o)
	}
	if out := must(t, "", "inspect", good); !strings.Contains(out, "no damage found") || !strings.Contains(out, "metadata: log 1 to") {
		t.Errorf("good data:\n%s", out)
	}
	for _, c := range []struct{ file, out, err string }{
		{"store/identity", "bad-identity: file identity: damage in identity", "damage: 1 finding"},
		{"meta/raft.db", "bad-log: metadata: the log is damaged: raft.db: meta page 0", "damage: 1 finding"},
		{"store/MANIFEST-*", "", "the store cannot be opened: damage in"},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(dir, c.file))
		o := call(t, "", "inspect", dir)
		if o.code != exitCorrupt || !strings.Contains(o.out, c.out) || !strings.Contains(o.err, c.err) {
			t.Errorf("%s: %+v", c.file, o)
		}
		if c.out == "" {
			continue
		}
		o = call(t, "", "inspect", dir, "--output", "json")
		var r inspect.Report
		if err := json.Unmarshal([]byte(o.out), &r); err != nil || o.code != exitCorrupt || len(r.Findings) != 1 {
			t.Errorf("%s as JSON: %v, code %d, %v", c.file, err, o.code, r.Findings)
		}
	}
}

// flip flips a bit near the beginning of the last file that matches.
func flip(t *testing.T, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file %s (%v)", pattern, err)
	}
	path := paths[len(paths)-1]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[16] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
