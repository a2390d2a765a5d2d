package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// procNumber reads a number from a file of lines like "name: 123 kB".
func procNumber(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name+":"))
		if !ok {
			continue
		}
		fields := strings.Fields(string(rest))
		if len(fields) == 0 {
			break
		}
		v, err := strconv.ParseInt(fields[0], 10, 64)
		if len(fields) > 1 && fields[1] == "kB" {
			v <<= 10
		}
		return v, err
	}
	return 0, fmt.Errorf("%s tells no %s", path, name)
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// writtenBytes is what the process has caused to be written to the disk: whole
// pages, a page that is written again counted again.
func writtenBytes(pid int) (int64, error) { return procNumber(procFile(pid, "io"), "write_bytes") }

// memoryWatch samples the resident memory of a process until it ends.
type memoryWatch struct {
	pid int

	mu   sync.Mutex
	last int64 // bytes
	most int64 // since the last reset
	peak int64 // since the start, as the kernel saw it between samples
}

const memoryEvery = 200 * time.Millisecond

func watchMemory(pid int, until <-chan struct{}) *memoryWatch {
	w := &memoryWatch{pid: pid}
	go func() {
		t := time.NewTicker(memoryEvery)
		defer t.Stop()
		for {
			w.sample()
			select {
			case <-t.C:
			case <-until:
				return
			}
		}
	}()
	return w
}

func (w *memoryWatch) sample() {
	path := procFile(w.pid, "status")
	now, err := procNumber(path, "VmRSS")
	peak, errPeak := procNumber(path, "VmHWM")
	if err != nil || errPeak != nil {
		return // the process is ending
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.most, w.peak = now, max(w.most, now), max(w.peak, peak)
}

// now is the latest sample.
func (w *memoryWatch) now() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// highest is the kernel's high-water mark since the process began.
func (w *memoryWatch) highest() int64 {
	w.sample()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak
}

// phase tells the highest sample since the phase before, and begins another.
func (w *memoryWatch) phase() int64 {
	w.sample()
	w.mu.Lock()
	defer w.mu.Unlock()
	most := w.most
	w.most = w.last
	return most
}

// metric reads one number without labels from the node's metrics.
func (n *node) metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(v, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("the node has no metric %s", name))
}

const (
	drainQuiet    = 5 * time.Second // nothing was written for so long: compactions are done
	drainPatience = 10 * time.Minute
	drainNoise    = 1 << 20 // watermarks and the like
)

// drain waits until the node has nothing more to write and tells how many bytes
// it has written since it began.
func (n *node) drain(ctx context.Context) (int64, error) {
	deadline := time.Now().Add(drainPatience)
	before, err := writtenBytes(n.pid())
	if err != nil {
		return 0, err
	}
	for {
		if err := pause(ctx, drainQuiet); err != nil {
			return 0, err
		}
		now, err := writtenBytes(n.pid())
		if err != nil {
			return 0, err
		}
		if now-before < drainNoise {
			return now, nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the node still writes after %v", drainPatience)
		}
		before = now
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
