package raftlog

import "context"

// Host runs the groups of a node.
type Host struct{ cfg Config }

// NewHost makes a host without groups.
func NewHost(cfg Config) (*Host, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Host{cfg: cfg}, nil
}

// Open starts a group and its state machine. A group that was never
// bootstrapped and never joined waits for a leader. A damaged group is opened
// in quarantine: Status says why.
func (h *Host) Open(id GroupID, sm StateMachine) (*Group, error) { return nil, ErrStopped }

// Bootstrap makes a new group with this node as its only voter, before it is
// opened. It fails with ErrBootstrapped if the group exists already.
func (h *Host) Bootstrap(id GroupID) error { return ErrStopped }

// Close closes all groups, as Group.Close does.
func (h *Host) Close(ctx context.Context) error { return nil }
