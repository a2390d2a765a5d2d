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
	needsMount(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("mount a tmpfs: %v: this test needs root, or RUNNEL_WITHOUT_MOUNT=1 to be skipped", err)
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

// exhaust takes every byte there is, while others write too.
func exhaust(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 1<<20); len(piece) > 0; {
		switch _, err := f.Write(piece); {
		case errors.Is(err, syscall.ENOSPC):
			piece = piece[:len(piece)/2]
		case err != nil:
			t.Fatal(err)
		}
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

// lessThanReserve is less than a node keeps free, and enough for it to start: the
// log that it may find is written to tables first.
const lessThanReserve = 160 << 20

// TestFullDisk: a full disk refuses puts with an error that says to try again,
// serves what is there, and takes records again by itself when there is space.
// So does a node that is started on a full disk.
func TestFullDisk(t *testing.T) {
	bin, disk := program(t, asItShips), smallDisk(t, 512)
	dir, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 2)
	ld := l.load(t, n, 6)
	ld.reach(t, n, 1000)
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

	fill(t, filler, lessThanReserve)
	full(n)
	again(n)

	fill(t, filler, lessThanReserve)
	full(n)
	n.kill()
	n = start(t, bin, dir) // without reserve
	full(n)
	again(n)
	if code := n.stop(t); code != 0 {
		t.Errorf("the node stopped with code %d\n%s", code, n.log)
	}
}

// TestSuddenlyFullDisk: something else takes the reserve and the very last byte
// under load. The node then refuses puts or ends with the code of a full disk. It
// may or may not start before there is space; afterwards nothing is lost.
func TestSuddenlyFullDisk(t *testing.T) {
	bin, disk := program(t, asItShips), smallDisk(t, 512)
	dir, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	l := newLedger()
	n := start(t, bin, dir)
	create(t, n, 2)
	times := size(t, "RUNNEL_FULL_DISKS", 2)
	for range times {
		ld := l.load(t, n, 9)
		ld.reach(t, n, 1000)
		exhaust(t, filler)
		ld.wait() // every writer is refused, by a node that runs or by none
		n.endedForSpace(t)
		if again, ready := run(t, bin, dir); ready {
			l.verify(t, again)
			again.endedForSpace(t)
		} else if again.code != exitDiskFull {
			t.Fatalf("a node that started on a full disk ended with code %d\n%s", again.code, again.log)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		n = start(t, bin, dir)
		l.verify(t, n)
		c := connect(t, n)
		accepted(t, func() error { return l.putOne(t.Context(), c, "again") })
	}
	l.report(t, "the disk was full %d times", times)
	if code := n.stop(t); code != 0 {
		t.Errorf("the node stopped with code %d\n%s", code, n.log)
	}
}

// endedForSpace kills the node unless it has ended by itself, and looks at why.
func (n *node) endedForSpace(t *testing.T) {
	t.Helper()
	select {
	case <-n.exited:
		if n.code != exitDiskFull {
			t.Fatalf("a full disk ended the node with code %d\n%s", n.code, n.log)
		}
	default:
		n.kill()
	}
}

// retriedBySDKs: every SDK tries these again by itself.
func retriedBySDKs(code string) bool {
	return code == "InternalFailure" || code == "ServiceUnavailable" || code == "ServiceUnavailableException"
}
