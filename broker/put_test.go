package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/stream"
)

// gate holds the reconciler at a point until it is opened.
type gate struct {
	at      string
	reached chan struct{}
	opened  chan struct{}
	once    sync.Once
}

func newGate(at string) *gate {
	return &gate{at: at, reached: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) pass(point string) error {
	if point == g.at {
		g.once.Do(func() { close(g.reached) })
		<-g.opened
	}
	return nil
}

// hold begins a split and returns when the parent is closed and the map has not
// flipped.
func (n *node) hold(g *gate) {
	n.t.Helper()
	if err := n.SplitShard(testContext(n.t), "s", "0", stream.HashKey{Hi: 1 << 63}); err != nil {
		n.t.Fatal(err)
	}
	select {
	case <-g.reached:
	case <-testContext(n.t).Done():
		n.t.Fatalf("the reconciler does not come to %q", g.at)
	}
}

// A put that meets a closed shard waits for its children and is stored there.
func TestAPutFollowsAReshard(t *testing.T) {
	for _, at := range []string{"reshard: closed", "reshard: flipped"} {
		t.Run(at, func(t *testing.T) {
			g := newGate(at)
			n := startNode(t, storage.NewCrashableMem(), Config{fault: g.pass, reshardPatience: testPatience})
			n.create("s", 1)
			n.put("s", "a", "1")
			n.hold(g)
			stored := make(chan []PutResult)
			go func() {
				var records []PutRecord
				for i := range 50 {
					key := fmt.Sprint(i)
					records = append(records, PutRecord{PartitionKey: key, Data: []byte(key + ",")})
				}
				results, err := n.Put(testContext(t), "s", records)
				if err != nil {
					t.Error(err)
				}
				stored <- results
			}()
			eventually(t, "a put that waits", func() bool { return n.parked.used.Load() > 0 })
			select {
			case r := <-stored:
				t.Fatalf("answered before the children take records: %+v", r)
			default:
			}
			close(g.opened)
			seen := map[uint32]bool{}
			for _, r := range <-stored {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				seen[r.Shard] = true
			}
			if len(seen) != 2 || seen[0] {
				t.Fatalf("stored in shards %v", seen)
			}
			if n.parked.used.Load() != 0 || n.inFlight.used.Load() != 0 {
				t.Fatal("bytes are still counted")
			}
			n.active("s")
			if got := strings.Count(texts(n.readStream("s")), ","); got != 50 {
				t.Fatalf("%d records", got)
			}
		})
	}
}

// It does not wait for ever, and what waits is bounded.
func TestAPutThatWaitsForAReshardIsRefused(t *testing.T) {
	g := newGate("reshard: closed")
	n := startNode(t, storage.NewCrashableMem(), Config{fault: g.pass, reshardPatience: 20 * time.Millisecond, ParkedBytes: 10_000})
	n.create("s", 1)
	n.hold(g)
	put := func(ctx context.Context, size int) error {
		results, err := n.Put(ctx, "s", []PutRecord{{PartitionKey: "a", Data: make([]byte, size)}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0].Err
	}
	wantCode(t, put(testContext(t), 10), stream.CodeUnavailable, "is being resharded")
	wantCode(t, put(testContext(t), 20_000), stream.CodeUnavailable, "too many records wait")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := put(gone, 10); err == nil || !stream.CodeOf(err).Retryable() {
		t.Fatal(err)
	}
	if n.parked.used.Load() != 0 {
		t.Fatal("bytes are still counted")
	}
	close(g.opened)
	n.active("s")
	if err := put(testContext(t), 20_000); err != nil {
		t.Fatal(err)
	}
}

// A reader at the end of a closed shard whose children are not known yet is
// told to come again.
func TestReadingToTheEndDuringAReshard(t *testing.T) {
	g := newGate("reshard: closed")
	n := startNode(t, storage.NewCrashableMem(), Config{fault: g.pass})
	n.create("s", 1)
	n.put("s", "a", "1")
	token := n.iterator("s", 0, From{Kind: TrimHorizon})
	n.hold(g)
	records, last := n.readShard(token)
	if len(records) != 1 || last.NextToken == "" || len(last.Children) != 0 {
		t.Fatalf("%v %+v", records, last)
	}
	close(g.opened)
	n.active("s")
	if records, last = n.readShard(last.NextToken); len(records) != 0 || last.NextToken != "" || len(last.Children) != 2 {
		t.Fatalf("%v %+v", records, last)
	}
}

func TestBytesInFlightAreBounded(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{InFlightBytes: 1000})
	n.create("s", 1)
	_, err := n.Put(testContext(t), "s", []PutRecord{{PartitionKey: "a", Data: make([]byte, 2000)}})
	wantCode(t, err, stream.CodeOverloaded, "too many bytes")
	n.put("s", "a", "1")
	if n.inFlight.used.Load() != 0 {
		t.Fatal("bytes are still counted")
	}
}

func TestPutsThatAreRefusedWhole(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("s", 1)
	many := make([]PutRecord, 501)
	for name, c := range map[string]struct {
		records []PutRecord
		code    stream.Code
		text    string
	}{
		"none":         {nil, stream.CodeValidation, "1 to 500 records"},
		"too many":     {many, stream.CodeValidation, "1 to 500 records"},
		"too large":    {[]PutRecord{{}, {PartitionKey: "k", Data: make([]byte, 1<<20)}}, stream.CodeValidation, "records.2.member.data"},
		"key too long": {[]PutRecord{{PartitionKey: strings.Repeat("k", 1025)}}, stream.CodeValidation, "256 characters"},
	} {
		_, err := n.Put(testContext(t), "s", c.records)
		if stream.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := make([]PutRecord, 11)
	for i := range large {
		large[i] = PutRecord{PartitionKey: "k", Data: make([]byte, 1<<20-1)}
	}
	_, err := n.Put(testContext(t), "s", large)
	wantCode(t, err, stream.CodeInvalidArgument, "Records size exceeds 10 MB limit")
	if res, err := n.Put(testContext(t), "s", large[:10]); err != nil || res[9].Err != nil {
		t.Fatal(err)
	}
}

// Once the quota refuses a record, the later ones of its shard are refused too.
func TestWriteQuota(t *testing.T) {
	frozen := time.Now()
	var c clock
	n := startNode(t, storage.NewCrashableMem(), Config{Quotas: true, Now: func() time.Time { return frozen.Add(time.Duration(c.ahead.Load())) }})
	n.create("s", 1)
	records := make([]PutRecord, 400)
	for i := range records {
		records[i] = PutRecord{PartitionKey: "k", Data: []byte{1}}
	}
	for want := range []int{0, 0, 200} {
		results, err := n.Put(testContext(t), "s", records)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for _, r := range results {
			if r.Err != nil {
				refused++
				wantError(t, r.Err, stream.CodeThroughputExceeded, "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.")
			} else if refused > 0 {
				t.Fatal("a record was stored after one of its shard was refused")
			}
		}
		if want == 2 && refused != 200 || want < 2 && refused != 0 {
			t.Fatalf("call %d: %d were refused", want, refused)
		}
	}
	c.advance(time.Second)
	n.put("s", "k", "v")
	for _, st := range n.ShardStats() {
		if st.WriteThrottles != 200 || st.InRecords != 1001 {
			t.Fatalf("%+v", st)
		}
	}
}

// A stream that is being deleted tells its writers and readers so.
func TestPutsToAStreamThatGoes(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("s", 2)
	token := n.iterator("s", 0, From{Kind: TrimHorizon})
	w := newWriter(n, "s")
	eventually(t, "a put", func() bool { return len(w.acknowledged()) > 0 })
	if err := n.DeleteStream(testContext(t), "s", false); err != nil {
		t.Fatal(err)
	}
	n.gone("s")
	refused := func() []error { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.refuse) }
	eventually(t, "a refusal", func() bool { return len(refused()) > 0 })
	for _, err := range refused() {
		wantError(t, err, stream.CodeNotFound, "Stream s under account 000000000000 not found.")
	}
	w.end()
	_, err := n.Read(testContext(t), token, 10)
	wantCode(t, err, stream.CodeNotFound, "does not exist")
	wantErased(n, 1)
}

// A full disk refuses what needs space, lets pass what gives it back, and
// recovers.
func TestAFullDisk(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	n := startNode(t, storage.NewCrashableMem(), Config{}, func(c *storage.Config) {
		c.ReserveBytes = 1 << 20
		c.FreeBytes = func(string) (uint64, uint64, error) { return uint64(free.Load()), 1 << 41, nil }
	})
	n.create("s", 1)
	n.create("old", 1)
	n.put("s", "k", "1")
	put := func() error {
		results, err := n.Put(testContext(t), "s", []PutRecord{{PartitionKey: "k", Data: []byte("2")}})
		if err == nil {
			err = results[0].Err
		}
		return err
	}
	free.Store(0)
	eventually(t, "a refusal", func() bool { return put() != nil })
	wantCode(t, put(), stream.CodeDiskFull, "the disk is full")
	wantCode(t, n.CreateStream(testContext(t), "new", 1, 0), stream.CodeDiskFull, "the disk is full")
	wantCode(t, n.SetRetention(testContext(t), "s", 48, RetentionIncrease), stream.CodeDiskFull, "the disk is full")
	if records, _ := n.readShard(n.iterator("s", 0, From{Kind: TrimHorizon})); len(records) == 0 {
		t.Fatal("nothing is read from a full disk")
	}
	if err := n.DeleteStream(testContext(t), "old", false); err != nil {
		t.Fatal(err)
	}
	n.gone("old")
	wantErased(n, 2)
	free.Store(1 << 40)
	eventually(t, "a put", func() bool { return put() == nil })
}
