package logstore

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage/key"
)

// TestDrawn holds the examples in docs/format against what is written.
func TestDrawn(t *testing.T) {
	e := entry.Encode(entry.Entry{Term: 2, Command: []byte("cmd"), Rows: []entry.Row{{Key: []byte("k1"), Value: []byte("value")}}})
	rows, _ := split(&raft.Log{Index: 5, Term: 2, Data: e.Bytes(), AppendedAt: time.Unix(0, 1000)})
	noop, _ := split(&raft.Log{Index: 6, Term: 2, Type: raft.LogNoop})
	for page, examples := range map[string]map[string][]byte{
		"log.md": {
			"entry":     e.Bytes(),
			"header":    rows.encode(nil, key.Log(7, 5)),
			"no-op":     noop.encode(nil, key.Log(7, 6)),
			"term":      sealStable(key.Stable(7, keyTerm), indexKey(2)),
			"watermark": watermark{index: 5, term: 2, writes: 9}.encode(7),
		},
		"metadata-log.md": {"tail": (&fileLog{}).tail(1, 5).Data},
	} {
		b, err := os.ReadFile("../../docs/format/" + page)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(b)), "")
		for name, bytes := range examples {
			if !strings.Contains(text, hex.EncodeToString(bytes)) {
				t.Errorf("%s: the %s is drawn otherwise than %x", page, name, bytes)
			}
		}
	}
}
