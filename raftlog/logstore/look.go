package logstore

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
)

// State is what the log of a group holds. First and Last are 0 if it is empty.
type State struct {
	First, Last uint64
	Term        uint64
	VoteTerm    uint64 // in which the last vote was given
	VotedFor    string
	Watermark   uint64
	Pending     int // rows of entries that are still to be applied
}

// Look reads the log of a group that does not run, from a store that is open
// for reading only, and checks what Open and Check do. It changes nothing. The
// state is what could be read; the errors are all that is wrong.
func Look(cfg Config, applied, term uint64) (State, []error) {
	l := newLog(cfg)
	errs := l.look(applied, term)
	s := State{First: l.first, Last: l.last, Term: l.term.Load(), Watermark: l.at.index}
	if l.back != nil {
		errs = append(errs, l.lookAtVote(&s))
		s.Pending = l.pending(applied)
	}
	errs = append(errs, l.release())
	return s, slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// look returns what is wrong, and perhaps nil among it.
func (l *Log) look(applied, term uint64) []error {
	marked, markErr := l.openMark()
	if _, err := os.Stat(l.cfg.File); l.cfg.File != "" && errors.Is(err, os.ErrNotExist) && !marked && markErr == nil {
		return nil // there has never been one
	}
	if err := l.openBackend(marked, true); err != nil {
		return []error{markErr, err}
	}
	errs := []error{l.load(), l.loadStable(), markErr}
	if errors.Join(errs...) != nil {
		return errs
	}
	if !marked && (l.last != 0 || l.writes != 0) {
		return []error{damaged("%s is missing", MarkName(l.cfg.Group))}
	}
	return append(l.reaches(), l.Check(applied, term))
}

func (l *Log) lookAtVote(s *State) error {
	var err error
	if s.VoteTerm, err = l.number("LastVoteTerm"); err != nil {
		return fmt.Errorf("vote: %w", err)
	}
	vote, err := l.Get([]byte("LastVoteCand"))
	if err != nil && !errors.Is(err, errNotFound) {
		return fmt.Errorf("vote: %w", err)
	}
	s.VotedFor = string(vote)
	return nil
}

// pending counts the rows of entries that are still to be applied. What can not
// be read was told already.
func (l *Log) pending(applied uint64) int {
	rows := 0
	for index := max(l.first, applied+1); index <= l.last && l.last != 0; index++ {
		var e raft.Log
		if l.back.read(index, applied, &e, false) != nil || e.Type != raft.LogCommand {
			continue
		}
		if p, err := entry.Parse(e.Data); err == nil {
			rows += len(p.Rows)
		}
	}
	return rows
}
