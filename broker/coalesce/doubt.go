package coalesce

import (
	"log/slog"
	"time"
)

// jump is how far ahead of what was to be expected a clock may be and still be
// believed.
const jump = time.Hour

// doubt decides whether the wall is to be believed before records are removed
// by it. It holds the wall against elapsed time, and at the start against the
// group's time: a clock that is wrong by a year would delete everything. A stop
// looks the same as a clock that is ahead, so the question must find its
// answer without anybody, too.
type doubt struct {
	log      *slog.Logger
	believe  bool        // whatever the wall says
	trust    func() bool // the clock is held to others
	patience time.Duration

	anchor time.Duration // the offset of the wall from elapsed time that is believed
	last   time.Duration // the offset when it was last looked at
	asking bool
	since  time.Duration // elapsed time when the question came up, or the wall last stepped
}

// begin sets what is believed: expected, if that is known, else the wall.
func (d *doubt) begin(wall time.Duration, expected offset) {
	d.anchor, d.last = wall, wall
	if expected.known {
		d.anchor = expected.Duration
	}
}

// look tells whether the wall is in doubt, and by how much it is ahead.
func (d *doubt) look(now, wall time.Duration) (asking bool, ahead time.Duration) {
	if moved := wall - d.last; moved > stepDetected || moved < -stepDetected {
		d.since = now
	} else {
		d.anchor += moved // drift
	}
	d.last = wall
	ahead = wall - d.anchor
	switch {
	case ahead <= jump:
		d.asking = false
	case d.believe || d.trust():
		d.settle("the clock has jumped and is believed", ahead)
	case !d.asking:
		d.asking, d.since = true, now
		d.log.Warn("the clock is further ahead than can be explained; nothing is trimmed until it is known to be right", "by", ahead, "longest", d.patience)
	case now-d.since >= d.patience:
		d.settle("the clock has been steady for long and is believed", ahead)
	}
	return d.asking, ahead
}

func (d *doubt) settle(why string, ahead time.Duration) {
	d.anchor, d.asking = d.last, false
	d.log.Info(why, "was ahead by", ahead)
}
