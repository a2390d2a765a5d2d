//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"

	"github.com/runnel-io/runnel/stream"
)

// smallDisk is a file system of its own, of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("mount a tmpfs: %v: this test needs root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill makes a file that leaves so many bytes of the disk free.
func fill(t *testing.T, path string, leave uint64) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		t.Fatal(err)
	}
	free := st.Bavail * uint64(st.Bsize)
	if free <= leave {
		return
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-leave)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// refusal puts until a put is refused, and returns why.
func refusal(ctx context.Context, put func() error) error {
	for ctx.Err() == nil {
		if err := put(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// accepted puts until a put is stored.
func accepted(t *testing.T, put func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := put()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("half a minute after there was space again: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestFullDisk: a full disk refuses puts with an error that says to try again,
// serves what is there, and takes records again by itself when there is space.
// So does a node that is started on a full disk.
func TestFullDisk(t *testing.T) {
	bin, disk := program(t, asItShips), smallDisk(t, 1024)
	dir, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 2)
	ld := l.load(t, n, 6)
	l.until(t, 1000)
	ld.stop()

	full := func(n *node) {
		t.Helper()
		c, sdk := connect(t, n), newSDK(t, n)
		err := refusal(bounded(t), func() error { return l.putMany(t.Context(), c, "full") })
		var e *stream.Error
		if !errors.As(err, &e) || e.Code != stream.CodeDiskFull || !e.Retryable() {
			t.Fatalf("a put on a full disk: %v\n%s", err, n.log)
		}
		_, err = sdk.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String(streamName), PartitionKey: aws.String("k"), Data: []byte("x")})
		var api smithy.APIError
		if !errors.As(err, &api) || !retriedBySDKs(api.ErrorCode()) {
			t.Fatalf("a put over the AWS protocol on a full disk: %v", err)
		}
		l.verify(t, n)
	}
	again := func(n *node) {
		t.Helper()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		c := connect(t, n)
		accepted(t, func() error { return l.putOne(t.Context(), c, "again") })
		l.verify(t, n)
	}

	fill(t, filler, 4<<20)
	full(n)
	again(n)

	fill(t, filler, 4<<20)
	full(n)
	n.kill()
	n = start(t, bin, dir) // without reserve
	full(n)
	again(n)
	if code := n.stop(t); code != 0 {
		t.Errorf("the node stopped with code %d\n%s", code, n.log)
	}
}

// retriedBySDKs: every SDK tries these again by itself.
func retriedBySDKs(code string) bool {
	return code == "InternalFailure" || code == "ServiceUnavailable" || code == "ServiceUnavailableException"
}
