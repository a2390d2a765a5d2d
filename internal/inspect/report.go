package inspect

import (
	"fmt"

	"github.com/runnel-io/runnel/broker/shardlog"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/stream"
)

// Report is what a data directory holds.
type Report struct {
	Dir      string    `json:"dir"`
	Node     string    `json:"node"`
	Streams  []Stream  `json:"streams"`
	Metadata Log       `json:"metadata"`
	Groups   []Group   `json:"groups"`
	Verified Verified  `json:"verified"`
	Findings []Finding `json:"findings"`
}

// Stream is a stream as the metadata knows it.
type Stream struct {
	ID             stream.StreamID `json:"id"`
	Name           string          `json:"name"`
	Status         string          `json:"status"`
	RetentionHours uint32          `json:"retentionHours"`
	Shards         int             `json:"shards"`
}

// Group is a data group.
type Group struct {
	Group        uint32    `json:"group"`
	NextPosition uint64    `json:"nextPosition"`
	TimeMs       int64     `json:"timeMs"`
	Log          Log       `json:"log"`
	Shards       []Shard   `json:"shards"`
	Segments     []Segment `json:"segments"`
}

// Log is the replicated log of a group, with its term and vote. First and Last
// are 0 if it is empty.
type Log struct {
	First     uint64   `json:"first"`
	Last      uint64   `json:"last"`
	Applied   uint64   `json:"applied"`
	Watermark uint64   `json:"watermark"` // the log is known to have been on disk up to here
	Term      uint64   `json:"term"`
	VoteTerm  uint64   `json:"voteTerm"`
	VotedFor  string   `json:"votedFor"`
	Members   []string `json:"members"`
}

func logOf(s raftlog.LogState) Log {
	return Log{
		First: s.First, Last: s.Last, Applied: s.Applied, Watermark: s.Watermark,
		Term: s.Term, VoteTerm: s.VoteTerm, VotedFor: s.VotedFor, Members: append([]string{}, s.Members...),
	}
}

// Shard is a shard as its group knows it, and what was found of it.
type Shard struct {
	Stream        string `json:"stream"` // its name, or its number if the metadata does not know it
	Shard         string `json:"shard"`
	Phase         string `json:"phase"`
	FirstPosition uint64 `json:"firstPosition"`
	LastPosition  uint64 `json:"lastPosition"`
	LastArrivalMs int64  `json:"lastArrivalMs"`
	EverRecords   uint64 `json:"everRecords"`
	EverBytes     uint64 `json:"everBytes"`
	Records       uint64 `json:"records"` // kept on disk
	Bytes         uint64 `json:"bytes"`
	Blocks        uint64 `json:"blocks"`
}

// Segment is a segment as the directory has it, and what was found in it.
type Segment struct {
	Class          uint8  `json:"class"`
	Segment        uint64 `json:"segment"`
	FirstPosition  uint64 `json:"firstPosition"`
	LastPosition   uint64 `json:"lastPosition"`
	FirstArrivalMs int64  `json:"firstArrivalMs"`
	LastArrivalMs  int64  `json:"lastArrivalMs"`
	Bytes          uint64 `json:"bytes"` // written, ever
	Blocks         uint64 `json:"blocks"`
	FoundBytes     uint64 `json:"foundBytes"`
	FoundBlocks    uint64 `json:"foundBlocks"`
}

// Verified is what was read and checked.
type Verified struct {
	Rows      uint64 `json:"rows"`
	Blocks    uint64 `json:"blocks"`
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"`     // of keys and values
	Unapplied uint64 `json:"unapplied"` // blocks of log entries that the next start will apply
}

// Kind is what is wrong.
type Kind string

// The findings. docs/cli.md explains each.
const (
	BadBlock        Kind = "bad-block"        // a block fails its checksum or does not fit its key
	BadRow          Kind = "bad-row"          // a row has no place here, or leads to the wrong one
	BadTable        Kind = "bad-table"        // a file of the store fails its checksum
	BadState        Kind = "bad-state"        // the small state of a group cannot be read
	BadIdentity     Kind = "bad-identity"     // the node's identity is missing or damaged
	BadLog          Kind = "bad-log"          // log, term or vote of a group are not whole, or less than they were
	MissingRecords  Kind = "missing-records"  // a shard has fewer records than it counted
	OrphanBlock     Kind = "orphan-block"     // a block belongs to nothing: no segment, or no entry of the log
	OverlappingRuns Kind = "overlapping-runs" // a position was given twice
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Where, f.Detail) }

// maxFindings keeps a report of a directory that is damaged throughout readable.
const maxFindings = 1000

func (r *Report) find(kind Kind, where, format string, args ...any) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{kind, where, fmt.Sprintf(format, args...)})
	}
}

func segmentName(group uint32, id shardlog.SegmentID) string {
	return fmt.Sprintf("group %d, %s", group, id)
}
