//go:build faults

package faults

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// node is a `runnel dev` process.
type node struct {
	cmd              *exec.Cmd
	aws, grpc, admin string
	serving, exited  chan struct{}
	code             int // after exited
	log              *logText
}

const (
	startPatience = 90 * time.Second
	stopPatience  = 20 * time.Second // a node gives itself ten, and then ends with another code than 0
)

// launch starts a node and does not wait until it serves.
func launch(t *testing.T, program, dir string, args ...string) *node {
	t.Helper()
	args = append([]string{
		"dev", "--data-dir", dir, "--quotas", "off", "--config", "/dev/null",
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0",
	}, args...)
	n := &node{
		cmd: exec.Command(program, args...), serving: make(chan struct{}), exited: make(chan struct{}), log: &logText{},
	}
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	read := make(chan struct{})
	go func() {
		defer close(read)
		n.listen(out)
	}()
	go func() {
		<-read // Wait closes the pipe
		var exit *exec.ExitError
		if err := n.cmd.Wait(); errors.As(err, &exit) {
			n.code = exit.ExitCode()
		}
		close(n.exited)
	}()
	return n
}

// run starts a node and waits until it serves or ends; ready tells which.
func run(t *testing.T, program, dir string, args ...string) (n *node, ready bool) {
	t.Helper()
	n = launch(t, program, dir, args...)
	select {
	case <-n.serving:
		return n, true
	case <-n.exited:
		return n, false
	case <-time.After(startPatience):
		t.Fatalf("the node was neither ready nor gone after %v\n%s", startPatience, n.log)
		return nil, false
	}
}

// start is run for a node that must get ready.
func start(t *testing.T, program, dir string, args ...string) *node {
	t.Helper()
	n, ready := run(t, program, dir, args...)
	if !ready {
		t.Fatalf("the node ended with code %d\n%s", n.code, n.log)
	}
	return n
}

// listen reads the addresses and the line that begins with "ready".
func (n *node) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		case fields[0] == "ready":
			close(n.serving)
		case len(fields) < 2:
		case fields[0] == "AWS":
			n.aws = fields[1]
		case fields[0] == "gRPC":
			n.grpc = fields[1]
		case fields[0] == "admin":
			n.admin = fields[1]
		}
	}
}

// kill ends the node at once: what it had in memory is gone.
func (n *node) kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.exited
}

// killStart kills nodes at random moments of their start.
func killStart(t *testing.T, program, dir string) {
	t.Helper()
	n := launch(t, program, dir)
	select {
	case <-n.serving:
	case <-time.After(rand.N(usualStart)): // the clock, because nothing the node says may choose the moment
	}
	n.kill()
}

// usualStart is about how long a start takes.
const usualStart = 100 * time.Millisecond

// stop ends the node as an operator does and returns its exit code.
func (n *node) stop(t *testing.T) int {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.exited:
	case <-time.After(stopPatience):
		t.Fatalf("the node did not stop within %v\n%s", stopPatience, n.log)
	}
	return n.code
}

// logText is what a node logs.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// isReady asks the node whether it is. One that is gone is not.
func (n *node) isReady(t *testing.T) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(bounded(t), http.MethodGet, n.admin+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// lastLine is the end of a log that tells why a node ended.
func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for i := len(lines) - 1; i > 0; i-- {
		if strings.HasPrefix(lines[i], "runnel dev:") {
			return lines[i]
		}
	}
	return lines[len(lines)-1]
}
