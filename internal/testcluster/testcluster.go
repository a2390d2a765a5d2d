// Package testcluster runs whole nodes inside a test: what `runnel dev` serves,
// on a disk in memory, with servers that can be stopped and come back at the same
// address. Tests of clients and of servers use it; programs do not.
package testcluster

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/node"
	"github.com/runnel-io/runnel/storage"
)

// patience is how long a node may take for anything, on a machine that does much
// else.
const patience = 30 * time.Second

// Node is a node that a test may stop and start. One goroutine does so at a time.
type Node struct {
	t     testing.TB
	addr  string
	files storage.FS
	cfg   broker.Config
	node  *node.Node
}

// Start starts a node, which ends with the test.
func Start(t testing.TB, cfg broker.Config) *Node {
	t.Helper()
	n := &Node{t: t, addr: "127.0.0.1:0", files: storage.NewCrashableMem(), cfg: cfg}
	n.Restart()
	t.Cleanup(n.Stop)
	return n
}

// Restart starts a node that was stopped, with what it had stored and at the same
// address.
func (n *Node) Restart() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l := n.listen(ctx)
	n.addr = l.Addr().String()
	started, err := node.Start(ctx, node.Config{DataDir: "data", FS: n.files, GRPC: l, Broker: n.cfg})
	if err != nil {
		n.t.Fatalf("start: %v", err)
	}
	n.node = started
	if err := started.Ready(ctx); err != nil {
		n.t.Fatalf("start: %v", err)
	}
}

func (n *Node) listen(ctx context.Context) net.Listener {
	for {
		l, err := net.Listen("tcp", n.addr)
		if err == nil {
			return l
		}
		select {
		case <-time.After(10 * time.Millisecond): // somebody has the port for a moment
		case <-ctx.Done():
			n.t.Fatalf("listen: %v", err)
		}
	}
}

// Stop stops the node in good order. It may be called again.
func (n *Node) Stop() {
	n.t.Helper()
	if n.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.node.Close(ctx); err != nil {
		n.t.Errorf("stop: %v", err)
	}
	n.node = nil
}

// Addr is where the node serves gRPC.
func (n *Node) Addr() string { return n.addr }

// Broker is the node's broker, behind its servers.
func (n *Node) Broker() *broker.Broker { return n.node.Broker() }

// Client makes a client, which ends with the test.
func (n *Node) Client(t testing.TB, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(n.addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return c
}

// Create makes a stream and waits until it takes records.
func Create(t testing.TB, c *client.Client, name string, shards int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.CreateStream(ctx, name, shards, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitActive(ctx, name); err != nil {
		t.Fatal(err)
	}
}
