package storage

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/runnel-io/runnel/storage/key"
)

// formatVersion is raised only together with the version of the cluster. It
// has checksummed table footers and sync offsets in the log, and no blob
// files, whose values Pebble does not check as well.
const formatVersion = pebble.FormatTableFormatV6

// reclaimAfter is how long a range delete may stay in memory, where it gives no
// space back: on a full disk nothing else would flush it, because nothing may be
// written.
const reclaimAfter = 30 * time.Second

func (s *Store) options() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.cfg.FS,
		Lock:                        s.lock,
		ReadOnly:                    s.cfg.ReadOnly,
		FormatMajorVersion:          formatVersion,
		MemTableSize:                uint64(s.cfg.MemtableBytes),
		MemTableStopWritesThreshold: s.cfg.MemtableCount,
		// Pebble takes what memtables occupy off the cache.
		CacheSize:                   s.cfg.BlockCacheBytes + int64(s.cfg.MemtableCount)*s.cfg.MemtableBytes,
		FlushDelayDeleteRange:       reclaimAfter,
		L0CompactionThreshold:       4,
		L0CompactionFileThreshold:   32,
		L0StopWritesThreshold:       32,
		LBaseMaxBytes:               1 << 40,
		BytesPerSync:                1 << 20,
		MaxManifestFileSize:         16 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      s.events,
		EventListener:               s.events.listener(),
		DisableAutomaticCompactions: false,
	}
	// Blocks come in key order and are hardly ever overwritten, so a table that
	// overlaps no other moves to the last level without being rewritten, if
	// nothing makes Pebble take it together with its neighbours: tables end with
	// their segment (key.TableLimit), a flush writes one per segment, and the
	// small target below is what bounds how far a compaction grows
	// (docs/decisions/0003-write-amplification.md).
	o.TargetFileSizes[0] = 64 << 20
	for i := 1; i < len(o.TargetFileSizes); i++ {
		o.TargetFileSizes[i] = 512 << 10
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].IndexBlockSize = 32 << 10
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	o.Experimental.SpanPolicyFunc = func(start []byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{}, key.TableLimit(start), nil
	}
	o.Experimental.DisableIngestAsFlushable = func() bool { return true }
	if s.cfg.ReadOnly {
		o.DisableAutomaticCompactions = true
	}
	return o
}

// MakeDir makes dir and what is missing above it. The entry of a new directory
// is durable only with its parent, so each parent of a new one is synced.
func MakeDir(fs FS, dir string) error {
	made := []string{dir} // even if it is there: whoever made it may have died before the sync
	_, err := fs.Stat(dir)
	existed := err == nil
	for d := fs.PathDir(dir); d != fs.PathDir(d); d = fs.PathDir(d) {
		if _, err := fs.Stat(d); !isNotExist(err) {
			break
		}
		made = append(made, d)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for _, d := range made {
		err := syncDir(fs, fs.PathDir(d))
		if existed && errors.Is(err, os.ErrPermission) {
			err = nil // it was made for us by somebody with more rights, and is that one's to keep
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs FS, dir string) error {
	if noSync {
		return nil
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
