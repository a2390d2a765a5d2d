package logstore

import (
	"log/slog"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

// BenchmarkStoreLog appends entries of one row of 1 KiB to a log on the disk,
// and, apart, writes its watermark alone.
func BenchmarkStoreLog(b *testing.B) {
	s, err := storage.Open(storage.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l, err := Open(Config{Group: 1, Store: s, Logger: slog.New(slog.DiscardHandler), Applied: func() uint64 { return 0 }})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	index, value := uint64(0), make([]byte, 1024)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			index++
			row := entry.Row{Key: key.BlockKey{Group: 1, Segment: 1}.Append(nil), Value: value}
			row.Key = append(row.Key[:len(row.Key)-8], indexKey(index)...)
			if err := l.StoreLog(&raft.Log{Index: index, Term: 1, Data: entry.Encode(entry.Entry{Rows: []entry.Row{row}}).Bytes()}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("watermark", func(b *testing.B) {
		for b.Loop() {
			if err := l.raise(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
