//go:build clients

package clients

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// startNode runs a node for one test and returns where it serves the AWS API.
func startNode(t *testing.T, flags ...string) (endpoint string) {
	t.Helper()
	binary := os.Getenv("RUNNEL")
	if binary == "" {
		t.Fatal("RUNNEL must name the runnel binary: test/clients/run.sh does it")
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"dev", "--data-dir", t.TempDir(), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0",
	}, flags...)
	node := exec.Command(binary, args...)
	node.Stderr = log
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() { stopNode(t, node, ended, log) })
	return awaitReady(t, node, out, ended, log)
}

func stopNode(t *testing.T, node *exec.Cmd, ended <-chan error, log *os.File) {
	t.Helper()
	if err := node.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("node: %v\n%s", err, text)
		}
	case <-time.After(20 * time.Second):
		t.Error("the node did not stop")
		_ = node.Process.Kill()
		<-ended
	}
	_ = log.Close()
}

// awaitReady reads what the node says until it serves, and then on, so that it is never
// blocked.
func awaitReady(t *testing.T, node *exec.Cmd, out io.Reader, ended chan<- error, log *os.File) (endpoint string) {
	t.Helper()
	address := regexp.MustCompile(`http://[0-9.:]+`)
	ready := make(chan string, 1)
	go func() {
		var first string
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if found := address.FindString(lines.Text()); found != "" && first == "" {
				first = found // AWS comes before admin
			}
			if strings.HasPrefix(lines.Text(), "ready") {
				ready <- first
			}
		}
		close(ready)
		ended <- node.Wait()
	}()
	select {
	case endpoint, ok := <-ready:
		if ok {
			return endpoint
		}
	case <-time.After(time.Minute):
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("the node is not ready:\n%s", text)
	return ""
}

// newClient returns a client that tries once, so that each error is seen.
func newClient(endpoint string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "any", ""),
		Retryer:      aws.NopRetryer{},
	})
}

// wantError checks that err is of type E, and says message.
func wantError[E interface {
	error
	smithy.APIError
}](t *testing.T, err error, message string) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("%v is no %T", err, want)
		return
	}
	if message != "" && want.ErrorMessage() != message {
		t.Errorf("message %q\nwant    %q", want.ErrorMessage(), message)
	}
}

// wantCode checks an error that the SDK has no type for.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%v is no %s", err, code)
	}
}

// awaitActive waits with the SDK's waiter.
func awaitActive(ctx context.Context, t *testing.T, c *kinesis.Client, name string) {
	t.Helper()
	w := kinesis.NewStreamExistsWaiter(c, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 200*time.Millisecond
	})
	if err := w.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(name)}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func open(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber == nil }
