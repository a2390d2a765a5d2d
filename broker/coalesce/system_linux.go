package coalesce

import (
	"time"

	"golang.org/x/sys/unix"
)

// System reads the machine's clocks. Elapsed time includes suspension.
func System() Source {
	start := time.Now()
	return Source{Wall: time.Now, Elapsed: func() time.Duration {
		var ts unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
			return time.Since(start)
		}
		return time.Duration(ts.Nano())
	}}
}
