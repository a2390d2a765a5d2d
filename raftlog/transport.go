package raftlog

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// guarded keeps the rules under which the library may use a transport.
type guarded struct {
	raft.Transport
	preVote raft.WithPreVote
}

var (
	_ raft.Transport   = guarded{}
	_ raft.WithPreVote = guarded{}
	_ raft.WithClose   = guarded{}
)

func guard(t raft.Transport) (guarded, error) {
	p, ok := t.(raft.WithPreVote)
	if !ok {
		return guarded{}, errors.New("transport can not ask for pre-votes")
	}
	return guarded{Transport: t, preVote: p}, nil
}

// SetHeartbeatHandler does nothing: heartbeats come through Consumer, like
// everything else. The library's short cut changes the term under the feet of
// its main loop, and replicas may differ ever after.
func (guarded) SetHeartbeatHandler(func(raft.RPC)) {}

// AppendEntriesPipeline is refused: with it a follower can get stuck until the
// leader restarts.
func (guarded) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// RequestPreVote passes on; without the method the library leaves pre-votes out
// silently.
func (g guarded) RequestPreVote(id raft.ServerID, to raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return g.preVote.RequestPreVote(id, to, args, resp)
}

// Close closes the transport if it can be closed.
func (g guarded) Close() error {
	if c, ok := g.Transport.(raft.WithClose); ok {
		return c.Close()
	}
	return nil
}

// loopback connects a group with nobody but the host, which can tell it not to
// wait for the leader that a single voter would otherwise wait for.
type loopback struct {
	*raft.InmemTransport
	host *raft.InmemTransport
}

func newLoopback(node string) *loopback {
	addr, t := raft.NewInmemTransport(raft.ServerAddress(node))
	_, host := raft.NewInmemTransport("")
	host.Connect(addr, t)
	return &loopback{InmemTransport: t, host: host}
}

// elect has the group hold an election now.
func (l *loopback) elect() error {
	addr := l.LocalAddr()
	req := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}}
	if err := l.host.TimeoutNow(raft.ServerID(addr), addr, req, &raft.TimeoutNowResponse{}); err != nil {
		return fmt.Errorf("begin the election: %w", err)
	}
	return nil
}

func (l *loopback) Close() error { return errors.Join(l.InmemTransport.Close(), l.host.Close()) }
