//go:build !linux

package coalesce

import "time"

// System reads the machine's clocks. Elapsed time may stand still while the
// machine sleeps; the clock then steps forward to the wall.
func System() Source {
	start := time.Now()
	return Source{Wall: time.Now, Elapsed: func() time.Duration { return time.Since(start) }}
}

// Disciplined tells whether the machine's clock is held to others. Here that is
// not known.
func Disciplined() bool { return false }
