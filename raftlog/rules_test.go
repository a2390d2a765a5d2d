package raftlog

import (
	"errors"
	"io"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// The rules under which the library is safe, as docs/architecture.md has them.

func TestConfigurationKeepsTheRules(t *testing.T) {
	h := &Host{cfg: Config{NodeID: "n", Truncation: Truncation{}.withDefaults(), Logger: slog.New(slog.DiscardHandler)}}
	g := newGroup(h, 1)
	defer g.follower.stop()
	c := g.raftConfig()
	if err := raft.ValidateConfig(c); err != nil {
		t.Error(err)
	}
	if c.NotifyCh != nil {
		t.Error("NotifyCh blocks the library's main loop")
	}
	if !c.NoSnapshotRestoreOnStart {
		t.Error("a snapshot would be restored over the live state")
	}
	if c.PreVoteDisabled {
		t.Error("pre-vote is off")
	}
	if c.HeartbeatTimeout != 1200*time.Millisecond || c.ElectionTimeout != 1200*time.Millisecond ||
		c.LeaderLeaseTimeout != 900*time.Millisecond || c.CommitTimeout != 500*time.Millisecond {
		t.Errorf("timeouts %v %v %v %v", c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout, c.CommitTimeout)
	}
}

// recorder is a transport that remembers what it was asked to send.
type recorder struct {
	*raft.InmemTransport
	sent    []string
	entries int
	handler bool
}

func (r *recorder) SetHeartbeatHandler(func(raft.RPC)) { r.handler = true }

func (r *recorder) AppendEntries(_ raft.ServerID, _ raft.ServerAddress, args *raft.AppendEntriesRequest, _ *raft.AppendEntriesResponse) error {
	r.sent, r.entries = append(r.sent, "append"), len(args.Entries)
	return nil
}

func (r *recorder) RequestVote(raft.ServerID, raft.ServerAddress, *raft.RequestVoteRequest, *raft.RequestVoteResponse) error {
	r.sent = append(r.sent, "vote")
	return nil
}

func (r *recorder) RequestPreVote(raft.ServerID, raft.ServerAddress, *raft.RequestPreVoteRequest, *raft.RequestPreVoteResponse) error {
	r.sent = append(r.sent, "pre-vote")
	return nil
}

func (r *recorder) InstallSnapshot(raft.ServerID, raft.ServerAddress, *raft.InstallSnapshotRequest, *raft.InstallSnapshotResponse, io.Reader) error {
	r.sent = append(r.sent, "snapshot")
	return nil
}

func newRecorder(t *testing.T, stuck func() time.Duration) (*recorder, guarded) {
	t.Helper()
	_, inmem := raft.NewInmemTransport("n")
	r := &recorder{InmemTransport: inmem}
	g, err := guard(r, stuck)
	if err != nil {
		t.Fatal(err)
	}
	return r, g
}

func TestStuckDiskIsSilent(t *testing.T) {
	var d time.Duration
	r, g := newRecorder(t, func() time.Duration { return d })
	send := map[string]func() error{
		"append":   func() error { return g.AppendEntries("", "", &raft.AppendEntriesRequest{}, nil) },
		"vote":     func() error { return g.RequestVote("", "", nil, nil) },
		"pre-vote": func() error { return g.RequestPreVote("", "", nil, nil) },
		"snapshot": func() error { return g.InstallSnapshot("", "", nil, nil, nil) },
	}
	for name, f := range send {
		d, r.sent = 1200*time.Millisecond, nil
		if err := f(); err != nil || len(r.sent) != 1 || r.sent[0] != name {
			t.Errorf("%s: %v, sent %v", name, err, r.sent)
		}
		d, r.sent = 1201*time.Millisecond, nil
		if err := f(); !errors.Is(err, errStuck) || r.sent != nil {
			t.Errorf("%s while the disk hangs: %v, sent %v", name, err, r.sent)
		}
	}
}

func TestMessagesAreBounded(t *testing.T) {
	r, g := newRecorder(t, func() time.Duration { return 0 })
	entry := func(size int) *raft.Log { return &raft.Log{Data: make([]byte, size)} }
	const half = maxAppendBytes / 2
	for _, c := range []struct {
		sizes []int
		sent  int
	}{{nil, 0}, {[]int{1}, 1}, {[]int{half, half}, 2}, {[]int{half, half, 1}, 2}, {[]int{10 << 20, 1}, 1}, {[]int{1, 10 << 20, 1}, 1}} {
		req := &raft.AppendEntriesRequest{}
		for _, s := range c.sizes {
			req.Entries = append(req.Entries, entry(s))
		}
		if err := g.AppendEntries("", "", req, nil); err != nil {
			t.Fatal(err)
		}
		if r.entries != c.sent || len(req.Entries) != c.sent {
			t.Errorf("of entries of %v bytes %d were sent, and %d are in the request", c.sizes, r.entries, len(req.Entries))
		}
	}
}

func TestShortCutsAreRefused(t *testing.T) {
	r, g := newRecorder(t, func() time.Duration { return 0 })
	g.SetHeartbeatHandler(func(raft.RPC) {})
	if r.handler {
		t.Error("heartbeats take the short cut")
	}
	if _, err := g.AppendEntriesPipeline("", ""); !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Errorf("a pipeline: %v", err)
	}
	if _, err := guard(struct{ raft.Transport }{r}, nil); err == nil {
		t.Error("a transport without pre-votes was accepted")
	}
	// The library asks for these by type.
	if _, ok := any(g).(raft.WithPreVote); !ok {
		t.Error("no pre-votes")
	}
	if _, ok := any(g).(raft.WithPeers); ok {
		t.Errorf("%v has more than was looked at", reflect.TypeOf(g))
	}
}
