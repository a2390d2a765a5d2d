package storage

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fingerprint is the name, size, time and content of every file.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all.WriteString(path + info.ModTime().String() + info.Mode().String())
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		all.Write(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// killed leaves a directory as a process that was killed leaves it.
func killed(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("RUNNEL_TEST_KILLED"); dir != "" {
		s := open(t, Config{Dir: dir})
		set(t, s, true, "a", "1")
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		set(t, s, true, "b", "2")
		os.Exit(0)
	}
	dir := filepath.Join(t.TempDir(), "store")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "RUNNEL_TEST_KILLED="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestReadOnlyChangesNothing reads what a killed process left.
func TestReadOnlyChangesNothing(t *testing.T) {
	dir := killed(t)
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil { // a copy of a directory has none
		t.Fatal(err)
	}
	before := fingerprint(t, dir)
	s := open(t, Config{Dir: dir, ReadOnly: true})
	for key, want := range map[string]string{"a": "1", "b": "2"} {
		if v, _ := read(t, s, key); v != want {
			t.Errorf("%s = %q", key, v)
		}
	}
	if err := s.Verify(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	if err := s.WriteFile("f", nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("writing a file answered %v", err)
	}
	m, _, err := s.OpenMark("m")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set(nil, false); !errors.Is(err, ErrReadOnly) {
		t.Errorf("setting a mark answered %v", err)
	}
	mustClose(t, s)
	if fingerprint(t, dir) != before {
		t.Error("reading has changed the directory")
	}
}

func TestReadOnlyMakesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Open(Config{Dir: d, ReadOnly: true}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", d, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("looking left %v, %v", left, err)
	}
}

// TestLocks wants each of two processes out while the other is in.
func TestLocks(t *testing.T) {
	if dir := os.Getenv("RUNNEL_TEST_LOCKED"); dir != "" {
		_, err := Open(Config{Dir: dir, ReadOnly: os.Getenv("RUNNEL_TEST_READER") != ""})
		if errors.Is(err, ErrLocked) {
			os.Exit(3)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := filepath.Join(t.TempDir(), "store")
	other := func(reader string) (locked bool) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLocks$")
		cmd.Env = append(os.Environ(), "RUNNEL_TEST_LOCKED="+dir, "RUNNEL_TEST_READER="+reader)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			return true
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return false
	}
	s := open(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir, ReadOnly: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("a reader in the same process: %v", err)
	}
	if !other("") || !other("yes") {
		t.Error("another process was let in beside a writer")
	}
	mustClose(t, s)

	s = open(t, Config{Dir: dir, ReadOnly: true})
	if !other("") {
		t.Error("a writer was let in beside a reader")
	}
	if other("yes") {
		t.Error("a second reader was not let in")
	}
	mustClose(t, s)
	if other("") {
		t.Error("the lock was kept after the end")
	}
}

func TestForbiddenIsNotLocked(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root may open everything: only the errors are compared")
	}
	err := &fs.PathError{Op: "open", Path: "LOCK", Err: os.ErrPermission}
	if isLocked(err) {
		t.Error("a file that may not be opened counts as locked")
	}
}
