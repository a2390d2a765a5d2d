package shardlog

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/runnel-io/runnel/broker/tailcache"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
	"github.com/runnel-io/runnel/stream"
)

// Config is what a Machine needs. Logger and OnCorrupt may be nil.
type Config struct {
	Group  uint32
	Store  storage.Reader   // the node's store: committed rows
	Cache  *tailcache.Cache // shared by all groups of the node
	Logger *slog.Logger

	// OnCorrupt is told of every block that failed its checksum when it was
	// read. The block is not served.
	OnCorrupt func(error)
}

// Machine is the state machine of one data group.
type Machine struct {
	cfg   Config
	group uint32
	store storage.Reader
	cache *tailcache.Cache
	log   *slog.Logger
	reads chan struct{} // a place for each read of the store that is under way

	// What Apply has done; touched by its goroutine alone.
	state    groupState
	shards   map[stream.ShardID]*shard
	segments map[SegmentID]*segment
	batch    pending

	// What is published.
	mu     sync.RWMutex
	seen   map[stream.ShardID]*shard
	dir    map[SegmentID]SegmentInfo
	public groupState
	epoch  uint64 // of retention: see RetentionEpoch
}

// pending is what the batch under way has changed and not yet published.
type pending struct {
	shards    []*shard
	segments  []*segment
	gone      []*shard // purged
	trimmed   []SegmentID
	rows      overlay
	retention bool // a shard's retention changed, or a shard was deleted
	tail      []tailcache.Entry
}

type segment struct {
	SegmentInfo
	dirty bool
}

const groupRow = "shardlog"

// storeReads is how many reads of the store run at once. Each holds blocks of
// tables in memory, and more would not get more from a disk.
const storeReads = 16

// New makes a machine that knows nothing before Restore.
func New(cfg Config) *Machine {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Machine{
		cfg: cfg, group: cfg.Group, store: cfg.Store, cache: cfg.Cache, log: log.With("group", cfg.Group),
		reads: make(chan struct{}, storeReads),
	}
	m.reset()
	return m
}

func (m *Machine) reset() {
	m.state = groupState{next: 1, segmentBytes: defaultSegmentBytes}
	m.shards = map[stream.ShardID]*shard{}
	m.segments = map[SegmentID]*segment{}
	m.batch = pending{}
}

// Restore loads the small state. Readers see it when it returns.
func (m *Machine) Restore(r storage.Reader) error {
	m.reset()
	if err := m.restoreGroup(r); err != nil {
		return fmt.Errorf("restore group %d: %w", m.group, err)
	}
	lo, hi := key.ShardBounds(m.group)
	if err := scan(r, lo, hi, m.restoreShard); err != nil {
		return fmt.Errorf("restore shards of group %d: %w", m.group, err)
	}
	for class := range uint8(classes) {
		lo, hi := key.SegmentsBounds(m.group, class)
		if err := scan(r, lo, hi, m.restoreSegment); err != nil {
			return fmt.Errorf("restore segments of group %d: %w", m.group, err)
		}
	}
	m.cache.DropGroup(m.group)
	m.publishAll()
	return nil
}

func (m *Machine) restoreGroup(r storage.Reader) error {
	v, ok, err := get(r, key.GroupState(m.group, groupRow))
	if err != nil || !ok {
		return err
	}
	m.state, err = decodeGroup(v)
	return err
}

func (m *Machine) restoreShard(k, v []byte) error {
	_, id, err := key.ParseShard(k)
	if err != nil {
		return err
	}
	row, err := decodeShard(v)
	if err != nil {
		return err
	}
	if row.ID != id {
		return fmt.Errorf("row of shard %v says %v", id, row.ID)
	}
	m.shards[id] = &shard{shardRow: row}
	return nil
}

func (m *Machine) restoreSegment(k, v []byte) error {
	_, class, number, err := key.ParseSegment(k)
	if err != nil {
		return err
	}
	info, err := decodeSegment(SegmentID{Class: class, Segment: number}, v)
	if err != nil {
		return err
	}
	m.segments[info.SegmentID] = &segment{SegmentInfo: info}
	return nil
}

// publishAll shows readers the restored state. Shards that somebody waits for
// keep their identity, so that nobody waits for a shard of the past.
func (m *Machine) publishAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.seen
	for id, s := range m.shards {
		if o := old[id]; o != nil {
			o.shardRow = s.shardRow
			m.shards[id] = o
		}
	}
	m.seen = maps.Clone(m.shards)
	for _, s := range m.seen {
		s.publish()
	}
	for id, o := range old {
		if m.seen[id] == nil {
			o.withdraw()
		}
	}
	m.dir = make(map[SegmentID]SegmentInfo, len(m.segments))
	for id, s := range m.segments {
		m.dir[id] = s.SegmentInfo
	}
	m.public = m.state
	m.epoch++
}

// Published shows readers everything up to the last batch, and wakes who waits
// for it.
func (m *Machine) Published(uint64) {
	p := &m.batch
	m.cache.Add(m.group, p.tail)
	m.mu.Lock()
	for _, s := range p.shards {
		m.seen[s.ID] = s
	}
	for _, s := range p.gone {
		if m.seen[s.ID] == s {
			delete(m.seen, s.ID)
		}
	}
	for _, s := range p.segments {
		m.dir[s.SegmentID] = s.SegmentInfo
	}
	for _, id := range p.trimmed {
		delete(m.dir, id)
	}
	m.public = m.state
	if p.retention {
		m.epoch++
	}
	m.mu.Unlock()
	for _, s := range p.shards {
		if s.Phase == Deleting {
			m.cache.DropShard(m.group, s.ID)
		}
		s.publish()
	}
	for _, s := range p.gone {
		s.withdraw()
	}
	p.clear()
}

func (p *pending) clear() {
	clear(p.shards)
	clear(p.gone)
	clear(p.tail)
	*p = pending{shards: p.shards[:0], segments: p.segments[:0], gone: p.gone[:0], trimmed: p.trimmed[:0], tail: p.tail[:0]}
}

// Shard tells what is known of a shard.
func (m *Machine) Shard(id stream.ShardID) (ShardState, bool) {
	s := m.find(id)
	if s == nil {
		return ShardState{}, false
	}
	st := s.view()
	return st, st.Phase != 0
}

func (m *Machine) find(id stream.ShardID) *shard {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.seen[id]
}

// Shards lists all shards of the group in the order of their ids.
func (m *Machine) Shards() []ShardState {
	m.mu.RLock()
	all := make([]*shard, 0, len(m.seen))
	for _, s := range m.seen {
		all = append(all, s)
	}
	m.mu.RUnlock()
	out := make([]ShardState, 0, len(all))
	for _, s := range all {
		if st := s.view(); st.Phase != 0 {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(a, b ShardState) int { return compareShards(a.ID, b.ID) })
	return out
}

// Segments lists the segment directory by class and number.
func (m *Machine) Segments() []SegmentInfo {
	m.mu.RLock()
	out := slices.Collect(maps.Values(m.dir))
	m.mu.RUnlock()
	slices.SortFunc(out, func(a, b SegmentInfo) int { return compareSegments(a.SegmentID, b.SegmentID) })
	return out
}

// NextPosition is the least position that was never given in the group.
func (m *Machine) NextPosition() stream.Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.public.next
}

// GroupTimeMs is the latest stamp of the group.
func (m *Machine) GroupTimeMs() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.public.timeMs
}

// Hash is a running hash over everything applied, and how many entries that
// was. Replicas that have applied the same entries have the same hash.
func (m *Machine) Hash() (hash, entries uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.public.hash, m.public.entries
}

// Group is the group's number.
func (m *Machine) Group() uint32 { return m.group }

// Segment tells what the directory says of a segment.
func (m *Machine) Segment(id SegmentID) (SegmentInfo, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	info, ok := m.dir[id]
	return info, ok
}

// Accepts returns the shard if it takes records, or why it does not.
func (m *Machine) Accepts(id stream.ShardID) (ShardState, error) {
	s, ok := m.Shard(id)
	if !ok {
		return s, errUnknownShard(id)
	}
	return s, errNotTaken(s)
}

// RetentionEpoch changes whenever what Expiry has told may have changed.
func (m *Machine) RetentionEpoch() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.epoch
}

// Expiry is the time after which the segment may be trimmed, as its shards'
// retention stands: 0 if all its shards were deleted. It reads the store.
func (m *Machine) Expiry(id SegmentID) (int64, error) {
	info, ok := m.Segment(id)
	if !ok {
		return 0, nil
	}
	holds, err := m.holders(id, nil)
	if err != nil {
		return 0, err
	}
	var expiry int64
	for _, h := range holds {
		if s, ok := m.Shard(h.shard); ok && s.Phase != Deleting {
			expiry = max(expiry, info.LastArrivalMs+s.RetentionMs())
		}
	}
	return expiry, nil
}

// Tip is where the next entry goes: what the proposer starts from.
type Tip struct {
	Next         stream.Position
	TimeMs       int64
	SegmentBytes uint64
	Current      [classes]SegmentInfo // the segment of each class that takes blocks; number 0 = none yet
}

// Tip tells the tip of what is published.
func (m *Machine) Tip() Tip {
	m.mu.RLock()
	defer m.mu.RUnlock()
	t := Tip{Next: m.public.next, TimeMs: m.public.timeMs, SegmentBytes: m.public.segmentBytes}
	for class := range uint8(classes) {
		id := SegmentID{Class: class, Segment: m.public.current[class]}
		if info, ok := m.dir[id]; ok {
			t.Current[class] = info
		}
		t.Current[class].SegmentID = id
	}
	return t
}
