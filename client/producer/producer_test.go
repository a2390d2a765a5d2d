package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/client/producer"
	"github.com/runnel-io/runnel/internal/testcluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// results collects what became of records, and that each became something once.
type results struct {
	t   *testing.T
	mu  sync.Mutex
	got map[string]producer.Result
}

func (r *results) of(id string) func(producer.Result) {
	return func(res producer.Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, twice := r.got[id]; twice {
			r.t.Errorf("%s has two results", id)
		}
		r.got[id] = res
	}
}

func (r *results) errors() (n int, first error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range r.got {
		if res.Err != nil {
			n++
			first = res.Err
		}
	}
	return n, first
}

func newProducer(t *testing.T, c *client.Client, name string, cfg producer.Config) *producer.Producer {
	t.Helper()
	p, err := producer.New(c, name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Close(gone) // a test that wants to know flushes first
	})
	return p
}

// Records of every size are stored, many in a batch or one.
func TestLargeRecords(t *testing.T) {
	n := testcluster.Start(t, broker.Config{})
	c := n.Client(t)
	testcluster.Create(t, c, "s", 2)
	p := newProducer(t, c, "s", producer.Config{})
	r := &results{t: t, got: map[string]producer.Result{}}
	sizes := []int{0, 1, 100 << 10, 400 << 10, 1<<20 - 10}
	for i := range 60 {
		id := fmt.Sprint(i)
		if err := p.Put(testContext(t), client.Record{PartitionKey: id, Data: make([]byte, sizes[i%len(sizes)])}, r.of(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if failed, err := r.errors(); failed > 0 || len(r.got) != 60 {
		t.Fatalf("%d of %d failed: %v", failed, len(r.got), err)
	}
	if s := p.Summary(); s.Records != 60 || s.Failed != 0 {
		t.Fatalf("summary %+v", s)
	}
}
