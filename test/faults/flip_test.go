//go:build faults

package faults

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/bench/checker"
)

// TestFlippedBits flips one bit somewhere in the data directory of a killed node,
// starts a node on it, and reads everything. Whatever the bit was part of: no
// record is served that was not put, and if one that was acknowledged is not
// served, the node has named damage. Each round begins with a copy of the same
// directory and takes its bit from another file; the files that matter most and are
// small (the log, what says which files there are, the metadata's log) are met
// by every run.
func TestFlippedBits(t *testing.T) {
	bin, dir := program(t, asItShips), t.TempDir()
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 2)
	ld := l.load(t, n, 6)
	ld.reach(t, n, 6000)
	ld.stop()
	if code := n.stop(t); code != 0 { // so that there are tables
		t.Fatalf("the node stopped with code %d\n%s", code, n.log)
	}
	n = start(t, bin, dir)
	ld = l.load(t, n, 6)
	ld.reach(t, n, 3000) // and a log that is not yet in tables
	n.kill()
	ld.wait()

	found := map[verdict]int{}
	files := filesOf(t, dir)
	for i := range size(t, "RUNNEL_FLIPS", len(files)) {
		rel := files[i%len(files)]
		v, detail := l.flip(t, bin, dir, rel)
		found[v]++
		t.Logf("%s: %s", rel, v)
		if v == broken {
			t.Errorf("%s: %s", rel, detail)
		}
	}
	t.Logf("%d acknowledged records; flips by result: %v", l.checker.Counts().Acked, found)
	if found[refused]+found[named] == 0 {
		t.Error("no flip was detected: none can have hit anything that is used")
	}
}

type verdict string

const (
	harmless verdict = "everything served" // the bit was not used, or what it was part of could be told from a copy
	refused  verdict = "does not start"    // with the exit code of damage
	named    verdict = "named when read"   // and the rest is served
	broken   verdict = "BROKEN"
)

// flip tries one bit of a file.
func (l *ledger) flip(t *testing.T, bin, from, rel string) (verdict, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	at := flipBit(t, filepath.Join(dir, rel))
	n, ready := run(t, bin, dir)
	if !ready {
		if n.code != exitCorrupt {
			return broken, fmt.Sprintf("%s: the node ended with code %d\n%s", at, n.code, n.log)
		}
		return refused, ""
	}
	defer func() { n.kill() }()
	c := checker.Copy(l.checker)
	again := &ledger{checker: c}
	err := again.read(t, n)
	report := c.Check()
	for kind, count := range report.Violations {
		if kind != checker.Lost && kind != checker.Unread && kind != checker.Gap {
			return broken, fmt.Sprintf("%s: %d records are %s: %v", at, count, kind, report.Err())
		}
	}
	switch {
	case err == nil && len(report.Violations) == 0:
		return again.goOn(t, bin, dir, at, &n)
	case err == nil:
		return broken, fmt.Sprintf("%s: every read succeeds, but %v", at, report.Err())
	case !namesDamage(err.Error() + n.log.String()):
		return broken, fmt.Sprintf("%s: %v, and no word of damage in\n%s", at, err, n.log)
	}
	return named, ""
}

// goOn puts more into a node that serves everything in spite of a flipped bit and
// starts it once more: if the bit was part of what tells which numbers are taken,
// or which files there are, it shows now.
func (l *ledger) goOn(t *testing.T, bin, dir, at string, n **node) (verdict, string) {
	t.Helper()
	ld := l.load(t, *n, 3)
	ended := !ld.until(t, 200)
	(*n).kill()
	ld.wait()
	if ended && !namesDamage((*n).log.String()) {
		return broken, fmt.Sprintf("%s: puts fail, and no word of damage in\n%s", at, (*n).log)
	}
	again, ready := run(t, bin, dir)
	*n = again
	if !ready {
		if again.code != exitCorrupt {
			return broken, fmt.Sprintf("%s: started once more the node ended with code %d\n%s", at, again.code, again.log)
		}
		return refused, ""
	}
	switch err := l.check(t, again); {
	case err == nil && ended:
		return named, ""
	case err == nil:
		return harmless, ""
	case !namesDamage(err.Error() + again.log.String()):
		return broken, fmt.Sprintf("%s: after more puts and another start: %v\n%s", at, err, again.log)
	}
	return named, ""
}

func namesDamage(text string) bool { return strings.Contains(strings.ToLower(text), "damage") }

// flipBit flips a random bit. Where it was is returned.
func flipBit(t *testing.T, path string) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at, bit := rand.Int64N(info.Size()), rand.IntN(8)
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("bit %d of byte %d of %d", bit, at, info.Size())
}

// filesOf lists the files that are not empty, relative to dir, in random order.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rand.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}
