package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

// running is a `runnel dev` in this process.
type running struct {
	dir  string
	stop func() outcome
}

// startDev runs `runnel dev` on free ports until it is ready, and makes it the
// endpoint of all other commands.
func startDev(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r, w := io.Pipe()
	errs := &locked{}
	ended := make(chan int, 1)
	go func() {
		args := append([]string{
			"dev", "--data-dir", dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		}, args...)
		code := run(ctx, args, stdio{strings.NewReader(""), w, errs})
		w.Close()
		ended <- code
	}()
	addr, out := untilReady(r)
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		rest <- string(b)
	}()
	stop := sync.OnceValue(func() outcome {
		cancel(errors.New("test is over"))
		o := outcome{code: <-ended}
		o.out, o.err = out+<-rest, errs.String()
		return o
	})
	t.Cleanup(func() { stop() })
	if addr == "" {
		o := stop()
		t.Fatalf("dev did not get ready: code %d\n%s%s", o.code, o.out, o.err)
	}
	t.Setenv("RUNNEL_ENDPOINT", addr)
	return &running{dir: dir, stop: stop}
}

// untilReady reads the addresses. addr is that of gRPC, "" if the output ended first.
func untilReady(r io.Reader) (addr, out string) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		out += line
		if f := strings.Fields(line); len(f) > 1 && f[0] == "gRPC" {
			addr = f[1]
		}
		if strings.HasPrefix(line, "ready") {
			return addr, out
		}
		if err != nil {
			return "", out
		}
	}
}

type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// must runs a command that has to succeed and returns its standard output.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	o := call(t, stdin, args...)
	if o.code != exitOK {
		t.Fatalf("runnel %s: code %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.err)
	}
	return o.out
}

func lines(n int) (text string, all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("line %d", i))
	}
	return strings.Join(all, "\n") + "\n", all
}

func TestALife(t *testing.T) {
	isolate(t)
	dev := startDev(t, filepath.Join(t.TempDir(), "data"), "--quotas", "off")
	must(t, "", "stream", "create", "orders", "--shards", "2")
	text, all := lines(1000)
	if out := must(t, text, "put", "orders", "--random-key"); !strings.Contains(out, "1,000 records into orders") {
		t.Errorf("summary of put:\n%s", out)
	}
	if out := must(t, "", "stream", "reshard", "orders", "--shards", "4"); !strings.Contains(out, "from 2 open shards to 4, ACTIVE") {
		t.Errorf("reshard says %q", out)
	}
	must(t, "last\n", "put", "orders", "-", "--partition-key", "k")
	got := strings.Split(strings.TrimSuffix(must(t, "", "tail", "orders", "--no-follow"), "\n"), "\n")
	slices.Sort(got)
	want := append(all, "last")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d records came back of %d", len(got), len(want))
	}
	var view streamView
	if err := json.Unmarshal([]byte(must(t, "", "stream", "describe", "orders", "--output", "json")), &view); err != nil {
		t.Fatal(err)
	}
	if view.OpenShards != 4 || len(view.Shards) != 6 || view.Shards[5].Parent == "" || view.Shards[0].State != "closed" {
		t.Errorf("described as %+v", view)
	}

	if o := call(t, "", "inspect", dev.dir); o.code != exitLocked {
		t.Errorf("inspect of a running node: %+v", o)
	}
	second := call(t, "", "dev", "--data-dir", dev.dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if second.code != exitLocked || !strings.Contains(second.err, "another process uses the data directory") {
		t.Errorf("a second node: %+v", second)
	}
	if o := dev.stop(); o.code != exitOK || strings.Count(o.out, "ready") != 1 || !strings.Contains(o.out, "stopped") {
		t.Errorf("stop: %+v", o)
	}

	out := must(t, "", "inspect", dev.dir)
	if !strings.Contains(out, "1,001 records") || !strings.Contains(out, "no damage found") {
		t.Errorf("inspect:\n%s", out)
	}
	startDev(t, dev.dir)
	if got := strings.Count(must(t, "", "tail", "orders", "--no-follow"), "\n"); got != 1001 {
		t.Errorf("%d records after a restart", got)
	}
	must(t, "", "stream", "delete", "orders")
	if o := call(t, "", "stream", "describe", "orders"); o.code != exitNotFound {
		t.Errorf("describe of a deleted stream: %+v", o)
	}
}

func TestPutAndTail(t *testing.T) {
	isolate(t)
	startDev(t, t.TempDir(), "--quotas", "off")
	must(t, "", "stream", "create", "s")

	// The order of one key, and JSON out.
	text, all := lines(3000)
	must(t, text, "put", "s", "--partition-key", "k")
	if got := must(t, "", "tail", "s", "--from", "horizon", "--no-follow"); got != text {
		t.Errorf("%d of %d bytes came back, or in another order", len(got), len(text))
	}
	var records []recordView
	dec := json.NewDecoder(strings.NewReader(must(t, "", "tail", "s", "--no-follow", "--output", "json", "--limit", "2")))
	for {
		var v recordView
		if err := dec.Decode(&v); err != nil {
			break
		}
		records = append(records, v)
	}
	if len(records) != 2 || *records[1].Data != all[1] || records[1].PartitionKey != "k" {
		t.Fatalf("as JSON: %+v", records)
	}

	// From a sequence number; and of the wrong shard.
	if got := must(t, "", "tail", "s", "--no-follow", "--from", records[1].Sequence, "--limit", "1"); got != all[1]+"\n" {
		t.Errorf("from a sequence number: %q", got)
	}
	if o := call(t, "", "tail", "s", "--from", records[1].Sequence, "--shard", "shardId-000000000009"); o.code != exitUsage {
		t.Errorf("a number of another shard: %+v", o)
	}
	if got := must(t, "", "tail", "s", "--no-follow", "--from", "1h", "--limit", "1"); got != all[0]+"\n" {
		t.Errorf("from an hour ago: %q", got)
	}

	// Keys from fields, and lines that cannot be sent.
	o := call(t, "{\"id\": 7}\n{\"no\": 1}\n", "put", "s", "--key-field", "$.id")
	if o.code != exitPartial || !strings.Contains(o.err, `line 2: $.id: the line has no member "id" there`) ||
		!strings.Contains(o.err, "Every line up to 1 is stored") {
		t.Errorf("a line without a key: %+v", o)
	}
	long := strings.Repeat("x", stream.DefaultMaxRecordBytes)
	o = call(t, "a\n"+long+"\nb\n", "put", "s", "--partition-key", "k", "--skip-bad", "--output", "json")
	var sum putView
	if err := json.Unmarshal([]byte(o.out), &sum); err != nil || o.code != exitOK || sum.Records != 2 || sum.Skipped != 1 ||
		!strings.Contains(o.err, "skipped: line 2") {
		t.Errorf("a long line, skipped: %v, code %d, %q", err, o.code, o.err)
	}
	if o := call(t, "x\n", "put", "nothing", "--random-key"); o.code != exitNotFound {
		t.Errorf("put into nothing: %+v", o)
	}
}

func TestStreamCommandsTwice(t *testing.T) {
	isolate(t)
	startDev(t, t.TempDir(), "--quotas", "off", "--shard-limit", "5")
	if out := must(t, "", "stream", "list"); !strings.Contains(out, "There are no streams") {
		t.Errorf("empty list: %q", out)
	}
	must(t, "", "stream", "create", "s", "--shards", "2", "--retention", "48h")
	if o := call(t, "", "stream", "create", "s"); o.code != exitInUse || !strings.Contains(o.err, "--if-not-exists") {
		t.Errorf("create twice: %+v", o)
	}
	if out := must(t, "", "stream", "create", "s", "--if-not-exists"); !strings.Contains(out, "was there already: ACTIVE, 2 shards, keeps records 48 hours") {
		t.Errorf("create if it does not exist: %q", out)
	}
	if out := must(t, "", "stream", "reshard", "s", "--shards", "2"); !strings.Contains(out, "has 2 open shards already") {
		t.Errorf("reshard to the same: %q", out)
	}
	if o := call(t, "", "stream", "create", "large", "--shards", "6"); o.code != exitFailed || o.err == "" {
		t.Errorf("over the shard limit: %+v", o)
	}
	if out := must(t, "", "stream", "list"); !strings.Contains(out, "s     ACTIVE") {
		t.Errorf("list:\n%s", out)
	}
	must(t, "", "stream", "delete", "s")
	must(t, "", "stream", "delete", "s", "--if-exists")
	if o := call(t, "", "stream", "delete", "s"); o.code != exitNotFound {
		t.Errorf("delete twice: %+v", o)
	}
}

func TestTailFollowsChildren(t *testing.T) {
	isolate(t)
	startDev(t, t.TempDir(), "--quotas", "off")
	must(t, "", "stream", "create", "s")
	must(t, "one\n", "put", "s", "--partition-key", "k")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	errs := &locked{}
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"tail", "s", "--from", "horizon"}, stdio{strings.NewReader(""), w, errs})
		w.Close()
		ended <- code
	}()
	br := bufio.NewReader(r)
	next := func(want string) {
		t.Helper()
		if got, err := br.ReadString('\n'); got != want+"\n" {
			t.Errorf("tail shows %q, %v; want %q", got, err, want)
		}
	}
	next("one")
	must(t, "", "stream", "reshard", "s", "--shards", "2")
	must(t, "two\n", "put", "s", "--partition-key", "k")
	next("two")
	must(t, "", "stream", "reshard", "s", "--shards", "1")
	must(t, "three\n", "put", "s", "--partition-key", "k")
	next("three")
	cancel(&interrupted{os.Interrupt})
	if code := <-ended; code != exitInterrupted {
		t.Errorf("tail ended with code %d: %s", code, errs)
	}
}

// Who interrupts a put is told up to where everything is stored.
func TestPutInterrupted(t *testing.T) {
	isolate(t)
	startDev(t, t.TempDir(), "--quotas", "off")
	must(t, "", "stream", "create", "s")
	ctx, cancel := context.WithCancelCause(t.Context())
	in, w := io.Pipe()
	out, errs := &locked{}, &locked{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"put", "s", "--partition-key", "k"}, stdio{in, out, errs})
	}()
	if _, err := io.WriteString(w, "one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	for strings.Count(must(t, "", "tail", "s", "--no-follow"), "\n") < 2 {
	}
	cancel(&interrupted{os.Interrupt})
	w.Close()
	if code := <-ended; code != exitInterrupted || !strings.Contains(errs.String(), "Every line up to 2 is stored") {
		t.Errorf("put ended with code %d: %s", code, errs)
	}
}
