package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine is what the figures were taken on.
type machine struct {
	cores  int
	memory int64
	kernel string
	fsync  delays
	load   string // others on the machine, before we began
}

const fsyncs = 300

// look measures the machine below dir.
func look(dir string) (machine, error) {
	m := machine{cores: runtime.NumCPU()}
	var err error
	if m.memory, err = procNumber("/proc/meminfo", "MemTotal"); err != nil {
		return m, err
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(b), " ")
	}
	return m, m.sync(dir)
}

// sync measures what a write of 4 KiB at the end of a file costs until it is on
// the disk.
func (m *machine) sync(dir string) error {
	path := filepath.Join(dir, "fsync")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(path)
	}()
	page := make([]byte, 4096)
	for range fsyncs {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return err
		}
		if err := datasync(f); err != nil {
			return err
		}
		m.fsync.add(time.Since(begun))
	}
	return nil
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores, %.0f GiB, Linux %s, %s; fdatasync after 4 KiB: median %s, p99 %s; load average before: %s",
		m.cores, float64(m.memory)/(1<<30), m.kernel, runtime.Version(), took(m.fsync.at(0.5)), took(m.fsync.at(0.99)), m.load)
}
