package raftlog

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// guarded keeps the rules under which the library may use a transport.
type guarded struct {
	raft.Transport
	preVote raft.WithPreVote
	stuck   func() time.Duration // how long the log's write under way has lasted
}

var (
	_ raft.Transport   = guarded{}
	_ raft.WithPreVote = guarded{}
	_ raft.WithClose   = guarded{}
)

func guard(t raft.Transport, stuck func() time.Duration) (guarded, error) {
	p, ok := t.(raft.WithPreVote)
	if !ok {
		return guarded{}, errors.New("transport can not ask for pre-votes")
	}
	return guarded{Transport: t, preVote: p, stuck: stuck}, nil
}

const (
	// stuckSilent is how long a write of the log may last before the group falls
	// silent. The goroutines that send go on while the one that writes hangs: a
	// leader with a broken disk would keep its followers loyal for ever.
	stuckSilent = 1200 * time.Millisecond
	// maxAppendBytes bounds what goes into one message: the library counts
	// entries only.
	maxAppendBytes = 1 << 20
)

var errStuck = errors.New("the log's disk does not answer: nothing is sent")

func (g guarded) maySend() error {
	if g.stuck() > stuckSilent {
		return errStuck
	}
	return nil
}

// AppendEntries sends as many of the entries as fit into one message, at least
// one. The library goes on behind the last that is in the request when the call
// returns, as long as it does not pipeline.
func (g guarded) AppendEntries(id raft.ServerID, to raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if err := g.maySend(); err != nil {
		return err
	}
	size := 0
	for i, e := range args.Entries {
		if size += len(e.Data) + len(e.Extensions); i > 0 && size > maxAppendBytes {
			args.Entries = args.Entries[:i]
			break
		}
	}
	return g.Transport.AppendEntries(id, to, args, resp)
}

// RequestVote sends if the disk answers.
func (g guarded) RequestVote(id raft.ServerID, to raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if err := g.maySend(); err != nil {
		return err
	}
	return g.Transport.RequestVote(id, to, args, resp)
}

// InstallSnapshot sends if the disk answers.
func (g guarded) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	if err := g.maySend(); err != nil {
		return err
	}
	return g.Transport.InstallSnapshot(id, to, args, resp, data)
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

// RequestPreVote sends if the disk answers; without the method the library
// leaves pre-votes out silently.
func (g guarded) RequestPreVote(id raft.ServerID, to raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if err := g.maySend(); err != nil {
		return err
	}
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
