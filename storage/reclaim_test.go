package storage

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"
)

// A range delete gives the space back although nothing is written after it: a
// full disk must become free when something is deleted.
func TestDeletedSpaceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{Dir: "data", FS: NewCrashableMem(), MemtableBytes: 1 << 20})
		defer mustClose(t, s)
		key := func(i uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x42}, i) }
		commit := func(fill func(b *Batch)) {
			t.Helper()
			b := s.NewBatch()
			defer b.Close()
			fill(b)
			if err := b.Commit(true); err != nil {
				t.Fatal(err)
			}
		}
		value := bytes.Repeat([]byte{7}, 64<<10)
		for i := range uint32(256) {
			commit(func(b *Batch) { b.Set(key(i), value) })
		}
		time.Sleep(time.Minute)
		before := s.Metrics().TableBytes
		commit(func(b *Batch) { b.DeleteRange(key(0), key(256)) })
		time.Sleep(2 * reclaimAfter)
		if after := s.Metrics().TableBytes; before < 15<<20 || after > before/4 {
			t.Fatalf("%d bytes before, %d after", before, after)
		}
	})
}
