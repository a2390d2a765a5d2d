//go:build faults

package faults

import (
	"fmt"
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
		at, v, detail := l.flip(t, bin, dir, rel)
		found[v]++
		t.Logf("%s, %s: %s", rel, at, v)
		if v == broken {
			t.Errorf("%s, %s: %s", rel, at, detail)
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
func (l *ledger) flip(t *testing.T, bin, from, rel string) (at string, v verdict, detail string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	at = flipBit(t, filepath.Join(dir, rel))
	v, detail = l.tryCopy(t, bin, dir)
	return at, v, detail
}

func (l *ledger) tryCopy(t *testing.T, bin, dir string) (verdict, string) {
	t.Helper()
	n, ready := run(t, bin, dir)
	if !ready {
		return ended(n)
	}
	defer n.kill()
	c := checker.Copy(l.checker)
	again := &ledger{checker: c}
	err := again.read(t, n)
	report := c.Check()
	for kind, count := range report.Violations {
		if kind != checker.Lost && kind != checker.Unread && kind != checker.Gap {
			return broken, fmt.Sprintf("%d records are %s: %v", count, kind, report.Err())
		}
	}
	switch {
	case err == nil && len(report.Violations) == 0:
		return again.goOn(t, bin, dir, n)
	case err == nil:
		return broken, fmt.Sprintf("every read succeeds, but %v", report.Err())
	case !namesDamage(err.Error() + n.log.String()):
		return broken, fmt.Sprintf("%v, and no word of damage in\n%s", err, n.log)
	case n.isReady(t):
		return broken, fmt.Sprintf("%v, but the node calls itself ready\n%s", err, n.log)
	}
	return named, ""
}

// goOn puts more into a node that serves everything in spite of a flipped bit and
// starts it once more: if the bit was part of what tells which numbers are taken,
// or which files there are, it shows now.
func (l *ledger) goOn(t *testing.T, bin, dir string, n *node) (verdict, string) {
	t.Helper()
	ld := l.load(t, n, 3)
	failed := !ld.until(t, 200)
	n.kill()
	ld.wait()
	if failed && !namesDamage(n.log.String()) {
		return broken, fmt.Sprintf("puts fail, and no word of damage in\n%s", n.log)
	}
	again, ready := run(t, bin, dir)
	if !ready {
		return ended(again)
	}
	defer again.kill()
	switch err := l.check(t, again); {
	case err == nil && failed:
		return named, ""
	case err == nil:
		return harmless, ""
	case !namesDamage(err.Error() + again.log.String()):
		return broken, fmt.Sprintf("after more puts and another start: %v\n%s", err, again.log)
	}
	return named, ""
}

// ended judges a node that did not start.
func ended(n *node) (verdict, string) {
	if n.code != exitCorrupt {
		return broken, fmt.Sprintf("the node ended with code %d\n%s", n.code, n.log)
	}
	return refused, ""
}

func namesDamage(text string) bool { return strings.Contains(strings.ToLower(text), "damage") }

// flipBit flips a random bit of a byte that is not zero, because most of the others
// are not used. Where it was is returned.
func flipBit(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := rand.IntN(len(b)), rand.IntN(8)
	for range 1000 {
		if b[at] != 0 {
			break
		}
		at = rand.IntN(len(b))
	}
	b[at] ^= 1 << bit
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("bit %d of byte %d of %d", bit, at, len(b))
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
