package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// wantError fails unless err has the code and the text.
func wantError(t *testing.T, err error, code stream.Code, text string) {
	t.Helper()
	var e *stream.Error
	if !errors.As(err, &e) || e.Code != code || e.Message != text {
		t.Fatalf("got  %v\nwant %v %s", err, code, text)
	}
}

// wantCode fails unless err has the code and contains the text.
func wantCode(t *testing.T, err error, code stream.Code, text string) {
	t.Helper()
	var e *stream.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Fatalf("got %v (%v), want %v with %q", err, stream.CodeOf(err), code, text)
	}
}

func TestStreamLife(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{Account: "123456789012", Region: "eu-west-1", LifecycleDelay: 50 * time.Millisecond})
	ctx := testContext(t)
	if err := n.CreateStream(ctx, "orders", 3, 48); err != nil {
		t.Fatal(err)
	}
	info, err := n.DescribeStream(ctx, "orders")
	if err != nil || info.Status != StatusCreating || info.OpenShards != 0 || info.RetentionHours != 48 ||
		info.ARN != "arn:aws:kinesis:eu-west-1:123456789012:stream/orders" || info.Mode != ModeProvisioned {
		t.Fatalf("%+v %v", info, err)
	}
	_, err = n.Put(ctx, "orders", []PutRecord{{PartitionKey: "k"}})
	wantError(t, err, stream.CodeNotFound, "Stream orders under account 123456789012 not found.")
	_, err = n.Iterator(ctx, "orders", "shardId-000000000000", From{Kind: TrimHorizon})
	wantError(t, err, stream.CodeNotFound, "Shard shardId-000000000000 in stream orders under account 123456789012 does not exist")
	_, _, err = n.ListShards(ctx, "orders", ShardFilter{}, -1, 10)
	wantError(t, err, stream.CodeInUse, "Stream orders under account 123456789012 not ACTIVE, instead in state CREATING")
	wantError(t, n.CreateStream(ctx, "orders", 1, 0), stream.CodeInUse, "Stream orders under account 123456789012 already exists.")

	if info = n.active("orders"); info.OpenShards != 3 {
		t.Fatalf("%+v", info)
	}
	if passed := time.Now().UnixMilli() - info.CreatedMs; passed < 50 {
		t.Fatalf("ACTIVE after %d ms", passed)
	}
	if err := n.DeleteStream(ctx, "orders", false); err != nil {
		t.Fatal(err)
	}
	if info, err = n.DescribeStream(ctx, "orders"); err != nil || info.Status != StatusDeleting {
		t.Fatalf("%+v %v", info, err)
	}
	wantCode(t, n.SplitShard(ctx, "orders", "shardId-000000000000", stream.HashKey{Hi: 5}), stream.CodeInUse, "instead in state DELETING")
	n.gone("orders")
	_, err = n.DescribeStreamSummary(ctx, "orders")
	wantError(t, err, stream.CodeNotFound, "Stream orders under account 123456789012 not found.")
	wantCode(t, n.DeleteStream(ctx, "orders", true), stream.CodeNotFound, "not found")
}

func TestBadArguments(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{ShardLimit: 5})
	ctx := testContext(t)
	n.create("s", 2)
	wantCode(t, n.CreateStream(ctx, "bad name", 1, 0), stream.CodeValidation, "bad name")
	wantCode(t, n.CreateStream(ctx, "zero", 0, 0), stream.CodeValidation, "at least one")
	wantCode(t, n.CreateStream(ctx, "short", 1, 23), stream.CodeInvalidArgument, "too short")
	wantCode(t, n.CreateStream(ctx, "many", 1_000_000_000, 0), stream.CodeLimitExceeded, "would exceed the shard limit for the account 000000000000 in us-east-1")
	wantCode(t, n.CreateStream(ctx, "s", 1_000_000_000, 0), stream.CodeInUse, "already exists")
	wantError(t, n.SplitShard(ctx, "s", "shard-x", stream.HashKey{}), stream.CodeNotFound, "Could not find shard shard-x in stream s under account 000000000000.")
	wantError(t, n.SplitShard(ctx, "s", "9", stream.HashKey{}), stream.CodeNotFound, "Could not find shard shardId-000000000009 in stream s under account 000000000000.")
	wantCode(t, n.SplitShard(ctx, "none", "0", stream.HashKey{}), stream.CodeNotFound, "Stream none under account")
	wantCode(t, n.MergeShards(ctx, "s", "0", "x"), stream.CodeNotFound, "Could not find shard x")
	wantCode(t, n.MergeShards(ctx, "s", "1", "0"), stream.CodeInvalidArgument, "not an adjacent pair")
	_, err := n.UpdateShardCount(ctx, "s", 0)
	wantCode(t, err, stream.CodeValidation, "at least one")
	_, err = n.UpdateShardCount(ctx, "s", 5)
	wantCode(t, err, stream.CodeLimitExceeded, "from 2 to 5 open shards")
	wantCode(t, n.SetRetention(ctx, "s", 23, RetentionIncrease), stream.CodeInvalidArgument, "too short")
	_, _, err = n.ListShards(ctx, "s", ShardFilter{Kind: FilterAtTimestamp, TimestampMs: time.Now().UnixMilli() + 1e6}, -1, 10)
	wantCode(t, err, stream.CodeInvalidArgument, "timestampInMillis parameter cannot be greater")
	_, _, err = n.ListShards(ctx, "none", ShardFilter{}, -1, 10)
	wantCode(t, err, stream.CodeNotFound, "Stream none")
}

func TestConfigIsCheckedAtOnce(t *testing.T) {
	err := Config{Account: "12x", LifecycleDelay: -1, ShardLimit: -1, DataGroups: -1}.withDefaults().validate()
	for _, want := range []string{"12 digits", "only digits", "life-cycle", "shard limit", "data groups"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%v does not tell of %s", err, want)
		}
	}
}

func TestListStreamsInPages(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	for _, name := range []string{"c", "a", "d", "b"} {
		n.create(name, 1)
	}
	var names []string
	after, more := "", true
	for more {
		var page []StreamInfo
		var err error
		if page, more, err = n.ListStreams(testContext(t), after, 3); err != nil {
			t.Fatal(err)
		}
		for _, s := range page {
			names = append(names, s.Name)
			after = s.Name
		}
	}
	if !slices.Equal(names, []string{"a", "b", "c", "d"}) {
		t.Fatal(names)
	}
}

func TestListShardsInPages(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("s", 7)
	var got []uint32
	after, more := int64(-1), true
	for more {
		var page []ShardInfo
		var err error
		if page, more, err = n.ListShards(testContext(t), "s", ShardFilter{}, after, 3); err != nil {
			t.Fatal(err)
		}
		for _, sh := range page {
			got = append(got, sh.ID.Index)
			after = int64(sh.ID.Index)
		}
	}
	if !slices.Equal(got, []uint32{0, 1, 2, 3, 4, 5, 6}) {
		t.Fatal(got)
	}
	list := n.shards("s", ShardFilter{Kind: FilterAfterShard, ShardID: "shardId-000000000004"})
	if len(list) != 2 || list[0].ID.Index != 5 {
		t.Fatal(list)
	}
}

func TestControlPlaneRates(t *testing.T) {
	var c clock
	frozen := time.Now()
	n := startNode(t, storage.NewCrashableMem(), Config{Quotas: true, Now: func() time.Time { return frozen.Add(time.Duration(c.ahead.Load())) }})
	ctx := testContext(t)
	for i := range 5 {
		if err := n.CreateStream(ctx, fmt.Sprintf("s%d", i), 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, n.CreateStream(ctx, "s5", 1, 0), stream.CodeLimitExceeded, "Rate exceeded for stream s5 under account 000000000000.")
	for i := range 5 {
		n.active(fmt.Sprintf("s%d", i))
	}
	c.advance(200 * time.Millisecond)
	if err := n.CreateStream(ctx, "s5", 1, 0); err != nil {
		t.Fatal(err)
	}
	n.active("s5")
	for i := range 12 {
		_, err := n.DescribeStream(ctx, "s0")
		if (err == nil) != (i < 10) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if _, err := n.DescribeStreamSummary(ctx, "s0"); err != nil {
		t.Fatal("the summary has a rate of its own")
	}
	for i := range 12 {
		if i%2 == 0 {
			c.advance(time.Second)
		}
		_, err := n.UpdateShardCount(ctx, "s0", 1+i%2)
		if i < 10 {
			if err != nil {
				t.Fatal(err)
			}
			n.active("s0")
			continue
		}
		wantCode(t, err, stream.CodeLimitExceeded, "10 times within the last 24 hours")
	}
}

func TestTooManyStreamsCreating(t *testing.T) {
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Quotas: true, LifecycleDelay: time.Hour, Now: c.Now})
	ctx := testContext(t)
	for i := range 6 {
		c.advance(time.Second)
		err := n.CreateStream(ctx, fmt.Sprintf("s%d", i), 1, 0)
		if i == 5 {
			wantCode(t, err, stream.CodeLimitExceeded, "5 streams in CREATING state")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := n.DeleteStream(ctx, "s0", false); err != nil { // allowed while CREATING
		t.Fatal(err)
	}
}

func TestRetentionHoldsWhenTheCallReturns(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{LifecycleDelay: 30 * time.Millisecond})
	n.create("s", 2)
	ctx := testContext(t)
	if err := n.SetRetention(ctx, "s", 72, RetentionIncrease); err != nil {
		t.Fatal(err)
	}
	info, err := n.DescribeStream(ctx, "s")
	if err != nil || info.RetentionHours != 72 || info.Status != StatusUpdating {
		t.Fatalf("%+v %v", info, err)
	}
	s, _ := n.meta.Stream("s")
	for _, sh := range s.Shards() {
		if st, ok := n.groups[sh.Group].machine.Shard(sh.ID); !ok || st.RetentionHours != 72 {
			t.Fatalf("shard %s keeps records %d hours", sh.ID, st.RetentionHours)
		}
	}
	n.active("s")
	if err := n.SetRetention(ctx, "s", 72, RetentionIncrease); err != nil { // as Terraform does
		t.Fatal(err)
	}
	wantCode(t, n.SetRetention(ctx, "s", 48, RetentionIncrease), stream.CodeInvalidArgument, "can not be shorter")
	if err := n.SetRetention(ctx, "s", 48, RetentionDecrease); err != nil {
		t.Fatal(err)
	}
	n.active("s")
	if err := n.SetRetention(ctx, "s", 24, RetentionSet); err != nil {
		t.Fatal(err)
	}
}

func TestPageTokens(t *testing.T) {
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Now: c.Now})
	token := n.SealPage("ListShards", []byte("payload"))
	if got, err := n.OpenPage("ListShards", token); err != nil || string(got) != "payload" {
		t.Fatal(string(got), err)
	}
	_, err := n.OpenPage("ListStreams", token)
	wantCode(t, err, stream.CodeInvalidArgument, "Invalid NextToken")
	if err := n.rotateKey(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.OpenPage("ListShards", token); err != nil {
		t.Fatal("a token of the key before is good")
	}
	c.advance(301 * time.Second)
	_, err = n.OpenPage("ListShards", token)
	wantCode(t, err, stream.CodeExpiredToken, "expired")
}

// Nothing of a stream that was deleted passes for the stream that has its name
// now, not even within one second, for one position, and after reshards have
// pushed creation seconds ahead of the clock.
func TestRecreatedStreamSharesNothing(t *testing.T) {
	c := newStill()
	n := startNode(t, storage.NewCrashableMem(), c.config())
	ctx := testContext(t)
	type leftover struct{ sequence, token string }
	var old []leftover
	var shards uint32
	for round := range 4 {
		n.create("s", 1)
		if left := n.readStream("s"); len(left) != 0 {
			t.Fatalf("round %d: the new stream shows %v", round, left)
		}
		for i := range round {
			if err := n.SplitShard(ctx, "s", stream.ShardName(uint32(2*i)), stream.HashKey{Hi: ^uint64(0) << (63 - i)}); err != nil {
				t.Fatal(err)
			}
			n.active("s")
		}
		n.put("s", "k", "v")
		for _, sh := range n.shards("s", ShardFilter{}) {
			shards = max(shards, sh.ID.Index)
			for _, o := range old {
				n.wantForeign(t, sh, o.sequence)
			}
		}
		for _, o := range old {
			_, err := n.Read(ctx, o.token, 10)
			wantCode(t, err, stream.CodeNotFound, "in stream s under account 000000000000 does not exist")
		}
		for _, sh := range n.shards("s", ShardFilter{}) {
			token := n.iterator("s", sh.ID.Index, From{Kind: TrimHorizon})
			old = append(old, leftover{sh.Start.String(), token})
			records, _ := n.readShard(token)
			for _, r := range records {
				old = append(old, leftover{r.stamp.Sequence.String(), token})
			}
		}
		sub, err := n.Subscribe(ctx, "s", "0", From{Kind: Latest})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.DeleteStream(ctx, "s", false); err != nil {
			t.Fatal(err)
		}
		n.gone("s")
		_, err = sub.Next(ctx, 1)
		wantCode(t, err, stream.CodeNotFound, "does not exist")
	}
	if shards != 6 || len(old) < 12 {
		t.Fatalf("%d shards, %d numbers", shards, len(old))
	}
}

// wantForeign fails unless a number is refused that did not come from the stream.
func (n *node) wantForeign(t *testing.T, sh ShardInfo, sequence string) {
	t.Helper()
	for _, kind := range []FromKind{AtSequence, AfterSequence} {
		_, err := n.Iterator(testContext(t), "s", sh.ID.Name(), From{Kind: kind, Sequence: sequence})
		if err == nil {
			t.Fatalf("number %s of a deleted stream is taken for shard %s", sequence, sh.ID)
		}
		seq, perr := stream.ParseSequence(sequence)
		if perr == nil && seq.Shard == sh.ID.Index {
			wantError(t, err, stream.CodeInvalidArgument, fmt.Sprintf("StartingSequenceNumber %s used in GetShardIterator on shard %s "+
				"in stream s under account 000000000000 is invalid because it did not come from this stream.", sequence, sh.ID.Name()))
		}
	}
}
