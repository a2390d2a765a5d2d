package client

import (
	"testing"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
)

// A subscription that waits for credit has not caught up: who reads until it has
// would miss the rest.
func TestStarvedIsNotCaughtUp(t *testing.T) {
	s := &scripted{subscribe: func(g subscribeServer) error {
		if _, err := g.Recv(); err != nil {
			return err
		}
		if err := sendAll(g, started(1), &runnelv1.SubscribeResponse{}, starved(1<<20)); err != nil {
			return err
		}
		if _, err := g.Recv(); err != nil { // the grant
			return err
		}
		if err := sendAll(g, blocks(1, "v")); err != nil {
			return err
		}
		<-g.Context().Done()
		return nil
	}}
	sub, err := clientOf(t, s.run(t)).Subscribe(limited(t), "s", someShard, Horizon(), WithCredit(64), WithIdle())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	b, err := sub.Next(limited(t))
	if err != nil || b.Len() != 1 {
		t.Fatalf("the first batch has %d records (%v), want the one for which there was too little credit", b.Len(), err)
	}
}
