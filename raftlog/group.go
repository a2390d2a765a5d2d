package raftlog

import "context"

// Group is this node's copy of one Raft group. Its methods may be called by
// many goroutines.
type Group struct{ id GroupID }

// ID is the group's number.
func (g *Group) ID() GroupID { return g.id }

// Propose encodes an entry and proposes it, as ProposeEncoded does.
func (g *Group) Propose(e Entry) *Proposal { return nil }

// ProposeEncoded proposes an entry. It returns at once unless very many
// proposals wait for the disk already. Proposals of one goroutine enter the log
// in the order of the calls.
func (g *Group) ProposeEncoded(e Encoded) *Proposal { return nil }

// Leadership tells whether this node leads the group, and the current term.
func (g *Group) Leadership() (isLeader bool, term uint64) { return false, 0 }

// LeadershipChanges gets a value soon after Leadership or LeaderID have
// changed; several changes may make one. There is one channel per group.
func (g *Group) LeadershipChanges() <-chan struct{} { return nil }

// LeaderID is the node that leads the group, "" if unknown.
func (g *Group) LeaderID() string { return "" }

// Ready waits until this node leads and has applied an entry of its own term,
// so that its state holds everything that any leader has acknowledged before.
// It fails with ErrNotLeader as soon as another node is known to lead.
func (g *Group) Ready(ctx context.Context) error { return nil }

// VerifyLeader is Ready, and asks a majority whether this node leads still. What
// was acknowledged before the call is in the state when it returns nil.
func (g *Group) VerifyLeader(ctx context.Context) error { return nil }

// Applied is the index of the last entry whose effects are published.
func (g *Group) Applied() uint64 { return 0 }

// Status tells how the group does.
func (g *Group) Status() GroupStatus { return GroupStatus{} }

// Close stops the group: proposals under way are awaited as long as ctx
// allows, later ones fail with ErrStopped.
func (g *Group) Close(ctx context.Context) error { return nil }

// GroupStatus is how a group does.
type GroupStatus struct {
	ID          GroupID
	State       string // "leader", "follower", "candidate", "stopped", "quarantined"
	Leader      string // node that leads, "" if unknown
	Term        uint64
	First, Last uint64 // indexes of the log; 0 if it is empty
	Applied     uint64
	Watermark   uint64 // the index up to which the log is known to have been on disk
	Quarantined error  // why the group is out of service; nil if it is not
}
