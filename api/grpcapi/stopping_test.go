package grpcapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/broker"
	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// putFuncBroker is a broker with puts only.
type putFuncBroker struct {
	Records[Subscription]
	put putFunc
}

func (b putFuncBroker) Put(ctx context.Context, name string, records []broker.PutRecord) ([]broker.PutResult, error) {
	return b.put(ctx, name, records)
}

func batch(id uint64, keys ...string) *wire.PutMessage {
	var entries []byte
	for _, k := range keys {
		e := wire.PutEntry{PartitionKey: k, Data: []byte("data")}
		entries = wire.AppendEntry(entries, &e)
	}
	return &wire.PutMessage{ID: id, Stream: "s", Entries: &entries}
}

// A put stream of a client that has nothing to say ends when the node stops, and
// not later: the node would wait for it.
func TestIdlePutStreamsEndWithTheNode(t *testing.T) {
	stopping := make(chan struct{})
	b := putFuncBroker{put: func(_ context.Context, _ string, r []broker.PutRecord) ([]broker.PutResult, error) {
		return make([]broker.PutResult, len(r)), nil
	}}
	puts, err := runnelv1.NewRecordServiceClient(serve(t, b, Config{Stopping: stopping})).PutStream(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := puts.SendMsg(batch(1, "k")); err != nil {
		t.Fatal(err)
	}
	var a wire.PutAnswer
	if err := puts.RecvMsg(&a); err != nil {
		t.Fatal(err)
	}
	close(stopping)
	wantStopping(t, puts.RecvMsg(&a))
}

// What is under way when the node stops is answered first.
func TestPutsUnderWayAreAnsweredWhenTheNodeStops(t *testing.T) {
	stopping, under, finish := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b := putFuncBroker{put: func(_ context.Context, _ string, r []broker.PutRecord) ([]broker.PutResult, error) {
		close(under)
		<-finish
		return make([]broker.PutResult, len(r)), nil
	}}
	puts, err := runnelv1.NewRecordServiceClient(serve(t, b, Config{Stopping: stopping})).PutStream(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := puts.SendMsg(batch(7, "k")); err != nil {
		t.Fatal(err)
	}
	<-under
	close(stopping)
	time.AfterFunc(10*time.Millisecond, func() { close(finish) })
	var a wire.PutAnswer
	if err := puts.RecvMsg(&a); err != nil || a.ID != 7 || len(a.Results) != 1 || a.Results[0].Err != nil {
		t.Fatalf("answer %+v, %v", a, err)
	}
	wantStopping(t, puts.RecvMsg(&a))
}

// A subscription that never says what it wants ends with the node too.
func TestSubscriptionsWithoutStartEndWithTheNode(t *testing.T) {
	stopping := make(chan struct{})
	sub, err := runnelv1.NewRecordServiceClient(serve(t, putFuncBroker{}, Config{Stopping: stopping})).Subscribe(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	close(stopping)
	_, err = sub.Recv()
	wantStopping(t, err)
}

func wantStopping(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(wire.FromStatus(err), errStopping) || wire.FromStatus(err).Error() != errStopping.Message {
		t.Fatalf("the stream ended with %v", err)
	}
}

// Once a record may not be stored yet, none behind it is: who sends it again would
// change the order. This holds beside a record that may never be stored, too.
func TestRefusedRecordsAreNotOvertaken(t *testing.T) {
	throttled := false
	b := putFuncBroker{put: func(_ context.Context, _ string, records []broker.PutRecord) ([]broker.PutResult, error) {
		for _, r := range records {
			if r.PartitionKey == "bad" {
				return nil, stream.Errorf(stream.CodeValidation, "too large")
			}
		}
		results := make([]broker.PutResult, len(records))
		for i, r := range records {
			if r.PartitionKey == "a" && !throttled {
				throttled = true
				results[i].Err = stream.Errorf(stream.CodeThroughputExceeded, "slowly")
			}
		}
		return results, nil
	}}
	puts, err := runnelv1.NewRecordServiceClient(serveRecords(t, b)).PutStream(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := puts.SendMsg(batch(1, "bad", "b", "a", "a", "bad", "a")); err != nil {
		t.Fatal(err)
	}
	var a wire.PutAnswer
	if err := puts.RecvMsg(&a); err != nil || len(a.Results) != 6 {
		t.Fatalf("answer %+v, %v", a, err)
	}
	if err := a.Results[0].Err; err == nil || err.Code != stream.CodeValidation {
		t.Errorf("the record that is to blame: %v", err)
	}
	if err := a.Results[1].Err; err != nil {
		t.Errorf("a record that nothing was in the way of: %v", err)
	}
	if err := a.Results[2].Err; err == nil || err.Code != stream.CodeThroughputExceeded {
		t.Errorf("the record over the quota: %v", err)
	}
	for i, r := range a.Results[3:] {
		if r.Err == nil || !r.Err.Retryable() {
			t.Errorf("record %d, behind a refused one: %v", i+3, r.Err)
		}
	}
}
