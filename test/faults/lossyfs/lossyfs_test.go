//go:build faults

package lossyfs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// lives makes a disk, does something with it, cuts its power and looks at what is
// left, again and again. It returns each outcome once.
func lives(t *testing.T, do func(t *testing.T, dir string), look func(dir string) string) []string {
	t.Helper()
	var seen []string
	for seed := range uint64(60) {
		d, err := Mount(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		do(t, d.Mountpoint())
		err = d.Cut(rand.New(rand.NewPCG(seed, 0)))
		if err == nil {
			seen = append(seen, look(d.Mountpoint()))
		}
		if err := errors.Join(err, d.Unmount()); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

func names(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func syncPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, f.Sync(), f.Close())
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("power cuts leave %q, want each of %q", got, want)
	}
}

// Names are durable when their directory is synced, and only then.
func TestNames(t *testing.T) {
	kept := func(dir string) string { return filepath.Join(dir, "kept") }
	for _, test := range []struct {
		name string
		do   func(t *testing.T, dir string)
		want []string
	}{
		{"synced", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
			syncPath(t, dir)
		}, []string{"kept new"}},
		{"created", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
			syncPath(t, filepath.Join(dir, "new")) // the file, not its name
		}, []string{"kept", "kept new"}},
		{"directory made", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "new"), 0o700))
		}, []string{"kept", "kept new"}},
		{"removed", func(t *testing.T, dir string) {
			must(t, os.Remove(kept(dir)))
		}, []string{"", "kept"}},
		{"removed and synced", func(t *testing.T, dir string) {
			must(t, os.Remove(kept(dir)))
			syncPath(t, dir)
		}, []string{""}},
		{"renamed", func(t *testing.T, dir string) {
			must(t, os.Rename(kept(dir), filepath.Join(dir, "new")))
		}, []string{"kept", "new"}},
		{"replaced by another", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
			must(t, os.Rename(filepath.Join(dir, "new"), kept(dir)))
		}, []string{"kept", "kept new"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, lives(t, func(t *testing.T, dir string) {
				must(t, os.WriteFile(kept(dir), nil, 0o600))
				syncPath(t, dir)
				test.do(t, dir)
			}, names), test.want...)
		})
	}
}

// A sector is as it was synced or as it was written, each by itself.
func TestSectors(t *testing.T) {
	fill := func(b byte) []byte { return bytes.Repeat([]byte{b}, sectorBytes) }
	got := lives(t, func(t *testing.T, dir string) {
		f, err := os.Create(filepath.Join(dir, "f"))
		must(t, err)
		_, err = f.Write(slices.Concat(fill('a'), fill('b')))
		must(t, err, f.Sync())
		syncPath(t, dir)
		_, err = f.WriteAt(slices.Concat(fill('B'), fill('C')), sectorBytes)
		must(t, err, f.Close())
	}, func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil || len(b)%sectorBytes != 0 {
			return "not readable"
		}
		var each []byte
		for sector := range slices.Chunk(b, sectorBytes) {
			if !bytes.Equal(sector, fill(sector[0])) {
				return "torn"
			}
			each = append(each, sector[0])
		}
		return string(each)
	})
	expect(t, got, "ab", "aB", "abC", "aBC", "ab\x00", "aB\x00")
}

// A file that is cut short loses what is behind only when that is synced.
func TestTruncated(t *testing.T) {
	content := func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	write := func(t *testing.T, dir string) {
		must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("long"), 0o600))
		syncPath(t, filepath.Join(dir, "f"))
		syncPath(t, dir)
		must(t, os.Truncate(filepath.Join(dir, "f"), 2))
	}
	for _, got := range lives(t, write, content) {
		if got != "long" && got != "lo" && got != "lo\x00\x00" {
			t.Errorf("a power cut leaves %q", got)
		}
	}
	expect(t, lives(t, func(t *testing.T, dir string) {
		write(t, dir)
		syncPath(t, filepath.Join(dir, "f"))
	}, content), "lo")
}

// The metadata's log is written by calls and read through a mapping. Another
// process does it: a page fault stops a thread in a way that the Go runtime does
// not know of, and here it might then wait for itself.
func TestMapped(t *testing.T) {
	if dir := os.Getenv(mapIn); dir != "" {
		mapped(t, dir)
		return
	}
	d, err := Mount(t.TempDir())
	must(t, err)
	defer func() { must(t, d.Unmount()) }()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMapped$", "-test.timeout=1m")
	other.Env = append(os.Environ(), mapIn+"="+d.Mountpoint())
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

const mapIn = "RUNNEL_LOSSYFS_MAP_IN"

func mapped(t *testing.T, dir string) {
	f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, f.Truncate(2*4096))
	m, err := syscall.Mmap(int(f.Fd()), 0, 2*4096, syscall.PROT_READ, syscall.MAP_SHARED)
	must(t, err)
	for _, text := range []string{"first", "second"} {
		_, err := f.WriteAt([]byte(text), 4096)
		must(t, err, f.Sync())
		if got := string(m[4096 : 4096+len(text)]); got != text {
			t.Errorf("the mapping shows %q after %q was written", got, text)
		}
	}
	must(t, syscall.Munmap(m), f.Close())
}

// What a cut leaves is durable: another cut takes nothing from it.
func TestCutsLeaveWhatIsDurable(t *testing.T) {
	d, err := Mount(t.TempDir())
	must(t, err)
	defer func() { must(t, d.Unmount()) }()
	dir := d.Mountpoint()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "f"), []byte("deep"), 0o600))
	for _, path := range []string{"a/b/f", "a/b", "a", ""} {
		syncPath(t, filepath.Join(dir, path))
	}
	for seed := range uint64(20) {
		must(t, d.Cut(rand.New(rand.NewPCG(seed, 0))))
		if b, err := os.ReadFile(filepath.Join(dir, "a", "b", "f")); string(b) != "deep" {
			t.Fatalf("after cut %d: %q, %v", seed, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that never was: %v", err)
	}
}
