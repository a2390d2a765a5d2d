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

// Disciplined tells whether the machine's clock is held to others (NTP, PTP), as
// far as the kernel knows. Who sets the clock by hand ends that.
func Disciplined() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
