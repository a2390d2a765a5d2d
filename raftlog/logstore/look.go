package logstore

import (
	"errors"
	"fmt"
	"os"
)

// State is what the log of a group holds. First and Last are 0 if it is empty.
type State struct {
	First, Last uint64
	Term        uint64
	VoteTerm    uint64 // in which the last vote was given
	VotedFor    string
	Watermark   uint64
}

// Look reads the log of a group that does not run, from a store that is open
// for reading only, and checks what Open and Check do. It changes nothing. The
// state is what could be read; the error is all that is wrong.
func Look(cfg Config, applied, term uint64) (State, error) {
	l := newLog(cfg)
	err := l.look(applied, term)
	s := State{First: l.first, Last: l.last, Term: l.term.Load(), Watermark: l.at.index}
	if l.back != nil {
		err = errors.Join(err, l.lookAtVote(&s))
	}
	return s, errors.Join(err, l.release())
}

func (l *Log) look(applied, term uint64) error {
	marked, markErr := l.openMark()
	if _, err := os.Stat(l.cfg.File); l.cfg.File != "" && errors.Is(err, os.ErrNotExist) && !marked && markErr == nil {
		return nil // there has never been one
	}
	if err := l.openBackend(marked, true); err != nil {
		return errors.Join(markErr, err)
	}
	if err := errors.Join(l.load(), l.loadStable(), markErr); err != nil {
		return err
	}
	if !marked && (l.last != 0 || l.writes != 0) {
		return damaged("%s is missing", MarkName(l.cfg.Group))
	}
	return errors.Join(l.reaches(), l.Check(applied, term))
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
