//go:build faults

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

var programs string // the directory of what is built

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "runnel-faults-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(programs, name)
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "github.com/runnel-io/runnel/cmd/runnel")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

var (
	asItShips = sync.OnceValues(func() (string, error) { return build("runnel", "-trimpath") })
	// nosync acknowledges without syncing: what cannot catch it proves nothing.
	nosync = sync.OnceValues(func() (string, error) { return build("runnel-nosync", "-tags", "runnel_nosync") })
)

func program(t *testing.T, built func() (string, error)) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// size is how often a test does what it does: def unless the variable says more
// or less.
func size(t *testing.T, variable string, def int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number of rounds", variable, text)
	}
	return n
}

// needsMount skips a test that mounts a file system, if it may not. Whoever cannot
// mount one and does not say so gets a failure.
func needsMount(t *testing.T) {
	t.Helper()
	if os.Getenv("RUNNEL_WITHOUT_MOUNT") != "" {
		t.Skip("RUNNEL_WITHOUT_MOUNT is set: power cuts and full disks are not tested")
	}
}
