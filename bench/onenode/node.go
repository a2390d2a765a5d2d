package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/runnel-io/runnel/client"
)

// node is a `runnel dev` process of ours.
type node struct {
	cmd    *exec.Cmd
	grpc   string
	admin  string        // http://host:port
	ready  time.Duration // from exec to the line that says so
	memory *memoryWatch

	exited chan struct{}
	err    error // after exited
	log    *tailLog
}

const (
	startPatience = 2 * time.Minute
	stopPatience  = 30 * time.Second
)

// startNode runs the program on a data directory and waits until it is ready.
func startNode(ctx context.Context, program, dataDir string) (*node, error) {
	n := &node{exited: make(chan struct{}), log: &tailLog{}}
	n.cmd = exec.Command(program, "dev", "--data-dir", dataDir, "--quotas", "off", "--pprof=on", "--log-level", "warn",
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shard-limit", "100000")
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	serving := make(chan time.Time, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		n.listen(out, serving)
	}()
	go func() {
		<-read // Wait closes the pipe
		n.err = n.cmd.Wait()
		close(n.exited)
	}()
	n.memory = watchMemory(n.cmd.Process.Pid, n.exited)
	select {
	case at := <-serving:
		n.ready = at.Sub(begun)
		return n, nil
	case <-n.exited:
		return nil, fmt.Errorf("the node ended before it was ready: %w\n%s", n.err, n.log)
	case <-time.After(startPatience):
		err = fmt.Errorf("the node was not ready after %v\n%s", startPatience, n.log)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, n.kill())
}

// listen reads the addresses and the line that begins with "ready".
func (n *node) listen(out io.Reader, serving chan<- time.Time) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		case fields[0] == "ready":
			serving <- time.Now()
		case len(fields) > 1 && fields[0] == "gRPC":
			n.grpc = fields[1]
		case len(fields) > 1 && fields[0] == "admin":
			n.admin = fields[1]
		}
	}
}

func (n *node) pid() int { return n.cmd.Process.Pid }

// connect makes a client. A put is never retried: it would be counted twice.
func (n *node) connect(connections int) (*client.Client, error) {
	return client.New(n.grpc, client.WithConnections(connections), client.WithTimeout(time.Minute), client.WithAttemptTimeout(time.Minute))
}

// stop ends the node as an operator would.
func (n *node) stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	select {
	case <-n.exited:
	case <-time.After(stopPatience):
		return errors.Join(fmt.Errorf("the node did not stop within %v", stopPatience), n.kill())
	}
	if n.err != nil {
		return fmt.Errorf("the node: %w\n%s", n.err, n.log)
	}
	return nil
}

// kill ends the node at once. It may have ended before.
func (n *node) kill() error {
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the node: %w", err)
	}
	<-n.exited
	return nil
}

// tailLog keeps the end of what the node said, for when it fails.
type tailLog struct {
	mu   sync.Mutex
	text []byte
}

const logKept = 8 << 10

func (l *tailLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 2*logKept {
		l.text = append(l.text[:0], l.text[len(l.text)-logKept:]...)
	}
	return len(p), nil
}

func (l *tailLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text[max(0, len(l.text)-logKept):])
}
