package checker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/runnel-io/runnel/stream"
)

// Kind is a way to break a promise.
type Kind string

// The kinds.
const (
	Lost        Kind = "lost"         // acknowledged, but a complete pass of its shard did not serve it
	Unread      Kind = "unread"       // acknowledged, but no complete pass of its shard began after that: nothing is known
	Gap         Kind = "gap"          // stored, as another pass showed, but a pass that served what is before and after it left it out
	Vanished    Kind = "vanished"     // served once, but a complete pass that began later did not serve it
	Moved       Kind = "moved"        // acknowledged at one number, served at another
	Duplicated  Kind = "duplicated"   // stored more often than it was put
	Changed     Kind = "changed"      // served with other bytes, key or stream than it was put with
	Invented    Kind = "invented"     // served, but nobody put it
	Resurrected Kind = "resurrected"  // served, though the put was answered: not stored
	NotRising   Kind = "not rising"   // a number not greater than the one served before it
	Reordered   Kind = "reordered"    // numbers disagree with the real time of puts and answers
	TwoValues   Kind = "two values"   // one number stands for two records
	Misplaced   Kind = "misplaced"    // served by a shard that its number does not name
	BackInTime  Kind = "back in time" // an arrival before that of the record served before it
)

// Violation is one broken promise.
type Violation struct {
	Kind   Kind
	Stream string
	Shard  uint32
	At     stream.Position
	Detail string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s/%s position %d: %s", v.Kind, v.Stream, stream.ShardName(v.Shard), v.At, v.Detail)
}

// Report is what Check found.
type Report struct {
	Counts
	Served     int // records, of all passes
	Violations map[Kind]int
	Examples   []Violation // the first few of each kind
}

const examplesPerKind = 5

// Err is nil if every promise was kept.
func (r Report) Err() error {
	if len(r.Violations) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "of %d puts (%d acknowledged, %d refused, %d unknown) and %d served records:",
		r.Acked+r.Refused+r.Unknown, r.Acked, r.Refused, r.Unknown, r.Served)
	kinds := make([]Kind, 0, len(r.Violations))
	for k := range r.Violations {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		fmt.Fprintf(&b, " %d %s;", r.Violations[k], k)
	}
	for _, v := range r.Examples {
		fmt.Fprintf(&b, "\n\t%s", v)
	}
	return errors.New(b.String())
}

// place is a record's number within a stream.
type place struct {
	stream   int
	shard    uint32
	position stream.Position
}

type shardKey struct {
	stream int
	shard  uint32
}

type check struct {
	*Checker
	report Report
	value  map[place]uint64 // which put each number served stands for
	ackAt  map[place]uint64 // which put each number acknowledged stands for
	stored map[shardKey][]known
}

// Check judges what was told so far.
func (c *Checker) Check() Report {
	k := &check{Checker: c, value: map[place]uint64{}, ackAt: map[place]uint64{}, stored: map[shardKey][]known{}}
	k.report.Violations = map[Kind]int{}
	k.report.Counts = c.Counts()
	k.acks()
	for _, r := range c.readers {
		k.pass(r)
	}
	k.copies()
	k.losses()
	k.gaps()
	k.keys()
	return k.report
}

func (k *check) add(kind Kind, at place, format string, a ...any) {
	k.report.Violations[kind]++
	if k.report.Violations[kind] <= examplesPerKind {
		k.report.Examples = append(k.report.Examples, Violation{
			Kind: kind, Stream: k.names[at.stream], Shard: at.shard, At: at.position, Detail: fmt.Sprintf(format, a...),
		})
	}
}

// acks finds numbers that were acknowledged twice.
func (k *check) acks() {
	for id := range k.puts {
		p := &k.puts[id]
		if p.outcome != acked {
			continue
		}
		at := place{int(p.stream), p.shard, p.position}
		if other, ok := k.ackAt[at]; ok {
			k.add(TwoValues, at, "puts %d and %d were both acknowledged with it", other, id)
		}
		k.ackAt[at] = uint64(id)
	}
}

// pass checks one reader's records by themselves, against each other and
// against the puts.
func (k *check) pass(r *Reader) {
	var last served
	var latest int64 // the latest begin of a put with a smaller number
	var latestID uint64
	for i, s := range r.served {
		at := place{r.stream, r.shard, s.position}
		k.report.Served++
		if i > 0 {
			k.step(at, last, s)
		}
		last = s
		if !k.fault(at, s) {
			continue
		}
		p := &k.puts[s.id]
		if p.outcome == acked && p.ended < latest {
			k.add(Reordered, at, "put %d was answered before put %d, of a smaller number, began", s.id, latestID)
		}
		if p.begun > latest {
			latest, latestID = p.begun, s.id
		}
	}
}

// step checks a record against the one served before it.
func (k *check) step(at place, last, s served) {
	if c := cmp.Or(cmp.Compare(last.created, s.created), cmp.Compare(last.position, s.position)); c >= 0 {
		k.add(NotRising, at, "position %d was served before it", last.position)
	}
	if s.arrivedMs != 0 && s.arrivedMs < last.arrivedMs {
		k.add(BackInTime, at, "it arrived %d ms before the record before it", last.arrivedMs-s.arrivedMs)
	}
}

// fault checks a record by itself and tells whether it is some put's.
func (k *check) fault(at place, s served) bool {
	switch s.fault {
	case foreign:
		k.add(Invented, at, "no put has its payload")
		return false
	case changed:
		k.add(Changed, at, "put %d had another payload, key or stream", s.id)
		return false
	case elsewhere:
		k.add(Misplaced, at, "put %d", s.id)
		return false
	case sound:
	}
	other, ok := k.value[at]
	switch {
	case !ok:
		shard := shardKey{at.stream, at.shard}
		k.stored[shard] = append(k.stored[shard], known{at.position, k.since(at, s)})
	case other != s.id:
		k.add(TwoValues, at, "it was served as put %d and as put %d", other, s.id)
	}
	k.value[at] = s.id
	if other, ok := k.ackAt[at]; ok && other != s.id {
		k.add(TwoValues, at, "it was acknowledged for put %d and served as put %d", other, s.id)
	}
	if k.puts[s.id].outcome == refused {
		k.add(Resurrected, at, "put %d was refused", s.id)
	}
	return true
}

// copies counts the different numbers at which each put was served.
func (k *check) copies() {
	stored := make([]uint16, len(k.puts))
	for at, id := range k.value {
		stored[id]++
		if stored[id] == k.puts[id].copies+1 {
			k.add(Duplicated, at, "put %d is stored at more than %d numbers", id, k.puts[id].copies)
		}
	}
}

// losses finds what was acknowledged and not served where it had to be.
func (k *check) losses() {
	read := map[shardKey]int64{} // when the latest complete pass began
	for _, r := range k.readers {
		if s := (shardKey{r.stream, r.shard}); r.complete {
			read[s] = max(read[s], r.begun)
		}
	}
	stored := make([]bool, len(k.puts)) // somewhere
	for _, id := range k.value {
		stored[id] = true
	}
	for id := range k.puts {
		p := &k.puts[id]
		if p.outcome != acked {
			continue
		}
		at := place{int(p.stream), p.shard, p.position}
		other, ok := k.value[at]
		switch {
		case ok && other == uint64(id):
		case read[shardKey{at.stream, at.shard}] < p.ended:
			k.add(Unread, at, "put %d", id)
		case stored[id]:
			k.add(Moved, at, "put %d was served at another number", id)
		default:
			k.add(Lost, at, "put %d", id)
		}
	}
}

// known is a number of which somebody knows what it stands for.
type known struct {
	position stream.Position
	since    int64 // when it was acknowledged, or first served by the first pass that did
}

func (k *check) since(at place, s served) int64 {
	if id, ok := k.ackAt[at]; ok && id == s.id {
		return min(s.at, k.puts[id].ended)
	}
	return s.at
}

// gaps finds what a pass left out although somebody has it.
func (k *check) gaps() {
	for _, positions := range k.stored { // in order but for where passes meet, so that sorting costs little
		slices.SortFunc(positions, func(a, b known) int { return cmp.Compare(a.position, b.position) })
	}
	for _, r := range k.readers {
		if len(r.served) == 0 && !r.complete {
			continue
		}
		positions := k.stored[shardKey{r.stream, r.shard}]
		begin := 0 // a complete pass begins before everything
		if !r.complete {
			begin, _ = slices.BinarySearchFunc(positions, r.served[0].position, func(x known, p stream.Position) int {
				return cmp.Compare(x.position, p)
			})
		}
		k.gapsOf(r, positions[begin:])
	}
}

func (k *check) gapsOf(r *Reader, positions []known) {
	for _, s := range r.served {
		for len(positions) > 0 && positions[0].position < s.position {
			k.add(Gap, place{r.stream, r.shard, positions[0].position}, "a pass went on to position %d without it", s.position)
			positions = positions[1:]
		}
		if len(positions) > 0 && positions[0].position == s.position {
			positions = positions[1:]
		}
	}
	if !r.complete {
		return
	}
	for _, p := range positions {
		if p.since < r.begun {
			k.add(Vanished, place{r.stream, r.shard, p.position}, "a complete pass that began later ended without it")
		}
	}
}

// keys checks that the numbers of one partition key agree with real time across
// reshards: shards are walked in the order of their numbers.
func (k *check) keys() {
	passes := slices.Clone(k.readers)
	passes = slices.DeleteFunc(passes, func(r *Reader) bool { return !r.complete || len(r.served) == 0 })
	slices.SortStableFunc(passes, func(a, b *Reader) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.served[0].created, b.served[0].created))
	})
	for len(passes) > 0 {
		n := 1
		for n < len(passes) && passes[n].stream == passes[0].stream {
			n++
		}
		if passes[n-1].served[0].created != passes[0].served[0].created { // it was resharded
			k.keysOf(passes[:n])
		}
		passes = passes[n:]
	}
}

func (k *check) keysOf(passes []*Reader) {
	type begun struct {
		at    int64
		id    uint64
		shard uint32
	}
	latest := map[uint64]begun{} // by key
	for _, r := range passes {
		for _, s := range r.served {
			if s.fault != sound {
				continue
			}
			p := &k.puts[s.id]
			l := latest[p.key]
			if p.outcome == acked && p.ended < l.at && l.shard != r.shard { // within a shard it was told already
				k.add(Reordered, place{r.stream, r.shard, s.position}, "put %d was answered before put %d of the same key, in %s before it, began",
					s.id, l.id, stream.ShardName(l.shard))
			}
			if p.begun > l.at {
				latest[p.key] = begun{p.begun, s.id, r.shard}
			}
		}
	}
}
