package raftlog

import (
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/storage"
)

// Config is what a Host needs.
type Config struct {
	// NodeID is the node's name in every group, for ever.
	NodeID string
	// Store is the node's store. The host does not close it.
	Store *storage.Store
	// MetaLogDir is where the metadata group keeps its log, term and vote, in a
	// file of its own. If it is empty, or FS is not the machine's file system,
	// they are in Store like those of the other groups.
	MetaLogDir string
	// FS is the file system below Store; nil is the machine's.
	FS storage.FS
	// Transport connects the groups with those of other nodes; nil connects
	// them with nobody.
	Transport Transport
	// Logger may be nil.
	Logger *slog.Logger
	// OnFatal is called at most once, when the log can not be written any more
	// (errors.Is storage.ErrDiskFull if for lack of space): the process must
	// stop. No proposal succeeds afterwards.
	OnFatal func(error)
	// WriteTimeout is how long one write of a log may last; what lasts longer is
	// fatal, like a failure. 0 is 20 s: a disk that has not answered for so long
	// will not come back, and other nodes lead by then.
	WriteTimeout time.Duration
	// OnQuarantine is called when a group is taken out of service. It must not
	// block.
	OnQuarantine func(id GroupID, reason error)
	// Observe is told how the groups do.
	Observe Observe
	// Truncation says how much of the applied log is kept; the zero value is
	// right for everything but tests.
	Truncation Truncation
}

// Transport gives each group its way to the same group on other nodes.
// Servers are named and addressed by their NodeID.
type Transport interface {
	Group(id GroupID) (raft.Transport, error)
}

// Observe is told how the groups do. Its functions are called by the goroutines
// that do the work: they must be quick. Each may be nil.
type Observe struct {
	// LogWritten: so many entries of so many bytes were stored and synced in
	// one batch, which took so long.
	LogWritten func(id GroupID, entries, bytes int, took time.Duration)
	// Applied: so many entries were applied in one batch, which took so long.
	Applied func(id GroupID, entries int, took time.Duration)
}

// Truncation says when applied entries leave the log.
type Truncation struct {
	// Trailing is how many applied entries stay, for replicas that are behind.
	Trailing uint64
	// Threshold is after how many new entries the log is cut.
	Threshold uint64
	// Interval is how often that is looked at.
	Interval time.Duration
}

func (t Truncation) withDefaults() Truncation {
	if t.Trailing == 0 {
		t.Trailing = 4096
	}
	if t.Threshold == 0 {
		t.Threshold = 4096
	}
	if t.Interval == 0 {
		t.Interval = 5 * time.Second
	}
	return t
}

// logFile is the file that holds the log of a group, "" if Store does.
func (c Config) logFile(id GroupID) string {
	ownDisk := c.FS == nil || c.FS == storage.OSFS()
	if id != MetadataGroup || c.MetaLogDir == "" || !ownDisk {
		return ""
	}
	return filepath.Join(c.MetaLogDir, "raft.db")
}

func (c Config) validate() error {
	var errs []error
	if c.NodeID == "" {
		errs = append(errs, errors.New("NodeID is empty"))
	}
	if c.Store == nil {
		errs = append(errs, errors.New("no Store"))
	}
	return errors.Join(errs...)
}
