package raftlog

import (
	"log/slog"

	"github.com/runnel-io/runnel/raftlog/logstore"
	"github.com/runnel-io/runnel/raftlog/snapshot"
)

// LogState is what a group of a stopped node has on disk.
type LogState struct {
	First, Last uint64 // indexes of the log; 0 if it is empty
	Term        uint64
	VoteTerm    uint64 // in which the last vote was given
	VotedFor    string
	Applied     uint64 // the last entry that was applied
	AppliedTerm uint64
	Watermark   uint64   // the index up to which the log was known to have been on disk
	Pending     int      // rows of entries that the next start will apply
	Members     []string // as far as is applied
}

// Inspect reads log, term and vote of a group of a stopped node, out of a store
// that is open for reading only, and checks what opening the group checks. It
// needs the Store, MetaLogDir and FS of the configuration. The state is what
// could be read; the errors are all that is wrong with it.
func Inspect(cfg Config, id GroupID) (LogState, []error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	applied, snap, err := snapshot.Load(cfg.Store, id)
	latest := snapshot.NewStore(cfg.Store, id, applied, snap).Latest()
	l, errs := logstore.Look(logstore.Config{
		Group: id, Store: cfg.Store, File: cfg.logFile(id), Logger: cfg.Logger,
		Applied: func() uint64 { return latest.Index },
	}, latest.Index, latest.Term)
	s := LogState{
		First: l.First, Last: l.Last, Term: l.Term, VoteTerm: l.VoteTerm, VotedFor: l.VotedFor,
		Applied: applied.Index, AppliedTerm: applied.Term, Watermark: l.Watermark, Pending: l.Pending,
	}
	for _, v := range latest.Configuration.Servers {
		s.Members = append(s.Members, string(v.ID))
	}
	if err != nil {
		errs = append([]error{err}, errs...)
	}
	return s, errs
}
