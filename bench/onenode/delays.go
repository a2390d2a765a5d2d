package main

import (
	"math"
	"slices"
	"time"
)

// delays are times of single events, kept whole: percentiles are exact.
type delays struct{ ns []int64 }

func (d *delays) add(t time.Duration) { d.ns = append(d.ns, int64(t)) }

func (d *delays) join(o *delays) { d.ns = append(d.ns, o.ns...) }

// at is the delay that the share q of the events did not exceed.
func (d *delays) at(q float64) time.Duration {
	if len(d.ns) == 0 {
		return math.MaxInt64
	}
	slices.Sort(d.ns)
	i := int(math.Ceil(q*float64(len(d.ns)))) - 1
	return time.Duration(d.ns[min(max(i, 0), len(d.ns)-1)])
}
