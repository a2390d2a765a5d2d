package shardlog

import (
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// runs walks the runs of one shard: the stretches of its blocks that lie in one
// segment each.
type runs struct {
	m       *Machine
	id      stream.ShardID
	it      *storage.Iter
	last    stream.Position // the last published position
	current run
	end     stream.Position // before which the blocks of current begin
	afterMs int64           // when the run after current begins, if there is one
}

func (m *Machine) openRuns(id stream.ShardID, l limit) (*runs, error) {
	lo, _ := key.ShardSegmentBounds(m.group, id)
	it, err := m.store.NewIter(lo, key.ShardSegment(m.group, id, l.last+1))
	if err != nil {
		return nil, m.readError(id, run{}, err)
	}
	return &runs{m: m, id: id, it: it, last: l.last}, nil
}

func (r *runs) close() error { return r.it.Close() }

// locate goes to the run that holds position from, or the first after it, and
// past all runs whose every block arrived before floorMs.
func (r *runs) locate(from stream.Position, floorMs int64) (bool, error) {
	if !r.it.SeekLT(key.ShardSegment(r.m.group, r.id, from+1)) && !r.it.First() {
		return false, r.m.readError(r.id, run{}, r.it.Error())
	}
	if ok, err := r.load(); !ok || err != nil {
		return ok, err
	}
	if r.end > r.last || r.afterMs >= floorMs {
		return true, nil
	}
	return r.skipTo(floorMs)
}

// skipTo finds the last run that begins before ms by bisection over the
// positions; the first block that arrived at or after ms is in it or begins
// the next. The current run begins before ms.
func (r *runs) skipTo(ms int64) (bool, error) {
	lo, hi := r.current.first, r.last+1 // the run at lo begins before ms, none at or after hi does
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if !r.it.SeekGE(key.ShardSegment(r.m.group, r.id, mid)) {
			if err := r.it.Error(); err != nil {
				return false, r.m.readError(r.id, r.current, err)
			}
			hi = mid
			continue
		}
		x, err := r.parse()
		if err != nil {
			return false, err
		}
		if x.firstArrivalMs < ms {
			lo = x.first
		} else {
			hi = mid
		}
	}
	if !r.it.SeekGE(key.ShardSegment(r.m.group, r.id, lo)) {
		return false, r.m.readError(r.id, r.current, r.it.Error())
	}
	return r.load()
}

// load takes the run under the iterator and looks where the next one begins,
// to which it leaves the iterator.
func (r *runs) load() (bool, error) {
	x, err := r.parse()
	if err != nil {
		return false, err
	}
	r.current, r.end = x, r.last+1
	if r.it.Next() {
		after, err := r.parse()
		if err != nil {
			return false, err
		}
		r.end, r.afterMs = after.first, after.firstArrivalMs
	}
	return true, r.m.readError(r.id, x, r.it.Error())
}

func (r *runs) next() (bool, error) {
	if r.end > r.last || !r.it.Valid() {
		return false, r.m.readError(r.id, r.current, r.it.Error())
	}
	return r.load()
}

func (r *runs) parse() (run, error) {
	_, _, first, err := key.ParseShardSegment(r.it.Key())
	if err != nil {
		return run{}, r.m.corrupt(err)
	}
	x, err := decodeRun(first, r.it.Value())
	if err != nil {
		return run{}, r.m.corrupt(err)
	}
	return x, nil
}
