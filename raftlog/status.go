package raftlog

import "strings"

// GroupStatus is how a group does.
type GroupStatus struct {
	ID          GroupID
	State       string // "leader", "follower", "candidate", "stopped" or "quarantined"
	Leader      string // node that leads, "" if unknown
	Term        uint64
	First, Last uint64 // indexes of the log; 0 if it is empty
	Applied     uint64
	Watermark   uint64 // the index up to which the log is known to have been on disk
	Quarantined error  // why the group is out of service; nil if it is not
}

// Status tells how the group does.
func (g *Group) Status() GroupStatus {
	s := GroupStatus{ID: g.id, State: "stopped", Applied: g.Applied(), Leader: g.LeaderID()}
	if g.logs != nil {
		s.First, _ = g.logs.FirstIndex()
		s.Last, _ = g.logs.LastIndex()
		s.Watermark, s.Term = g.logs.Watermark(), g.logs.Term()
	}
	if g.raft != nil {
		s.State = strings.ToLower(g.raft.State().String())
		if s.State == "shutdown" {
			s.State = "stopped"
		}
	}
	if p := g.damage.Load(); p != nil {
		s.State, s.Quarantined = "quarantined", *p
	}
	return s
}
