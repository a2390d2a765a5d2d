package raftlog

import (
	"errors"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
)

// GroupID names a group; 0 is the metadata group.
type GroupID = uint32

// MetadataGroup is the group whose log is kept apart from the data.
const MetadataGroup GroupID = 0

type (
	// Row is a key and a value that appending the entry stores.
	Row = entry.Row
	// Entry is a command and rows, with the term by whose right they are proposed.
	Entry = entry.Entry
	// Encoded is an entry in the form that is replicated.
	Encoded = entry.Encoded
	// EntryBuilder encodes an entry row by row into its final buffer.
	EntryBuilder = entry.Builder
)

// NewEntryBuilder makes a builder for an entry of about capacity bytes.
func NewEntryBuilder(capacity int) *EntryBuilder { return entry.NewBuilder(capacity) }

// EntrySize is the encoded length of an entry with so many rows whose keys,
// values and command together are so many bytes long.
func EntrySize(rows, bytes int) int { return entry.EncodedSize(rows, bytes) }

// Committed is an entry that a majority has stored. Rows is empty if the entry
// was proposed for another term than the one it landed in. Command and rows are
// valid as long as somebody holds them and must not be changed.
type Committed struct {
	Index, Term uint64
	Command     []byte
	Rows        []Row
}

// StateMachine makes state of committed entries. Its methods are called by one
// goroutine at a time.
type StateMachine interface {
	// Restore loads what earlier batches have stored. It is called before any
	// ApplyBatch, and again after a snapshot was installed.
	Restore(r storage.Reader) error
	// ApplyBatch puts all effects of the entries into b and returns one answer
	// per entry, which its proposer gets. The rows of the entries are in the
	// store or, in the metadata group, in b. An error halts the group: nothing
	// of the batch is kept, and nothing is applied any more.
	ApplyBatch(b *storage.Batch, entries []Committed) (results []any, err error)
	// Published is called after the batch of the last ApplyBatch was committed:
	// now readers may see it. index is that of its last entry.
	Published(index uint64)
}

// What a proposal can fail with. Retryable and MayBeStored tell what that means.
var (
	// ErrNotLeader: this node does not lead the group. Nothing was stored.
	ErrNotLeader = errors.New("not the leader of the group")
	// ErrUnknownOutcome: leadership was lost, or the group stopped, while the
	// entry was on its way. It may be applied later or never.
	ErrUnknownOutcome = errors.New("outcome of the proposal is unknown")
	// ErrStopped: the group is closed. Nothing was stored.
	ErrStopped = errors.New("group is stopped")
	// ErrQuarantined: the node's copy of the group is damaged or cannot follow
	// the log. Nothing was stored. The error says why.
	ErrQuarantined = errors.New("group is quarantined")
	// ErrBootstrapped: the group exists already.
	ErrBootstrapped = errors.New("group is bootstrapped already")
)

// Retryable tells whether the same proposal may succeed later, here or at
// another node.
func Retryable(err error) bool {
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrStopped)
}

// MayBeStored tells whether a proposal that failed with err may nevertheless
// be applied.
func MayBeStored(err error) bool { return errors.Is(err, ErrUnknownOutcome) }
