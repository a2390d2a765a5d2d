package broker

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/runnel-io/runnel/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPutAndReadBack(t *testing.T) {
	n := startNode(t, storage.NewCrashableMem(), Config{})
	n.create("s", 4)
	results := n.put("s", "a", "1", "b", "2", "a", "3")
	if results[0].Shard != results[2].Shard || results[0].Sequence.Compare(results[2].Sequence) >= 0 {
		t.Fatalf("%+v", results)
	}
	got := map[string]bool{}
	for _, r := range n.readStream("s") {
		got[r.key+r.data] = true
	}
	if len(got) != 3 || !got["a1"] || !got["b2"] || !got["a3"] {
		t.Fatal(got)
	}
}
