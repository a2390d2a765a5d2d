package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/runnel-io/runnel/storage"
)

// fileLog keeps a log in a file of its own, with raft-boltdb. That library
// checks nothing it reads, so every value is a header row in the raw form,
// checksum included; and it silently falls back to older pages, so that
//   - openBolt walks the pages before the library sees them (see boltPages),
//   - every append also writes the tail, the last entry of the file, which says
//     where the log begins and ends: whatever loses entries loses it, too,
//   - term and vote are one value, and a file without it is damaged.
type fileLog struct {
	path     string
	readOnly bool
	db       *raftboltdb.BoltStore

	first, last uint64 // as in the tail

	mu     sync.RWMutex
	stable map[string][]byte
}

// tailIndex is the index under which the tail is kept, behind all entries.
const tailIndex = math.MaxUint64

var stableName = []byte("stable")

// openBolt opens a file that exists.
func openBolt(path string, readOnly bool) (*fileLog, error) {
	err := checkPages(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, damaged("%s is missing", filepath.Base(path))
	}
	if err != nil {
		return nil, damaged("%s: %w", filepath.Base(path), err)
	}
	f := &fileLog{path: path, readOnly: readOnly}
	err = f.guard(func() (err error) {
		f.db, err = openFile(path, readOnly)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return f, nil
}

// openFile opens the file without a free list on disk: it is made anew from the
// pages in use, and can not be damaged.
func openFile(path string, readOnly bool) (*raftboltdb.BoltStore, error) {
	return raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{
		Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, ReadOnly: readOnly,
	}})
}

// createBolt makes an empty log if there is none, under another name until it
// is complete.
func createBolt(path string) error {
	_, err := os.Stat(path)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := storage.MakeDir(storage.OSFS(), filepath.Dir(path)); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := openFile(fresh, false)
	if err != nil {
		return err
	}
	f := &fileLog{db: db, stable: map[string][]byte{}}
	if err := errors.Join(f.writeStable(), db.StoreLog(f.tail(0, 0)), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// guard runs f, which uses the file. The library panics on damage, and its
// memory map faults on a read error; both become errors.
func (f *fileLog) guard(use func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged("%s: %v", filepath.Base(f.path), r)
		}
	}()
	return use()
}

// indexKey is the key to which the checksum of an entry is bound.
func indexKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

func (f *fileLog) seal(l *raft.Log) *raft.Log {
	h := header{log: *l}
	return &raft.Log{Index: l.Index, Data: h.encode(nil, indexKey(l.Index))}
}

// tail is the entry that says where the log begins and ends: first (8), last (8).
func (f *fileLog) tail(first, last uint64) *raft.Log {
	b := binary.LittleEndian.AppendUint64(nil, first)
	return f.seal(&raft.Log{Index: tailIndex, Data: binary.LittleEndian.AppendUint64(b, last)})
}

// fetch reads and checks what is kept under an index.
func (f *fileLog) fetch(index uint64) (*raft.Log, error) {
	var outer raft.Log
	err := f.guard(func() error { return f.db.GetLog(index, &outer) })
	if errors.Is(err, raft.ErrLogNotFound) || errors.Is(err, ErrDamaged) || errors.Is(err, bbolt.ErrDatabaseNotOpen) {
		return nil, err
	}
	if err != nil { // it can not be decoded
		return nil, damaged("log entry %d: %w", index, err)
	}
	h, err := decodeHeader(indexKey(index), outer.Data)
	if err == nil && (h.rows || h.log.Index != index || outer.Index != index) {
		err = errors.New("it is another")
	}
	if err != nil {
		return nil, damaged("log entry %d: %w", index, err)
	}
	return &h.log, nil
}

// load reads tail, term and vote, checks every entry, and finishes a cut that
// was interrupted.
func (f *fileLog) load(each func(index, term uint64) error) error {
	tail, err := f.fetch(tailIndex)
	if errors.Is(err, raft.ErrLogNotFound) {
		return damaged("%s has no tail", filepath.Base(f.path))
	}
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	if len(tail.Data) != 16 {
		return damaged("tail of %d bytes", len(tail.Data))
	}
	f.first, f.last = binary.LittleEndian.Uint64(tail.Data), binary.LittleEndian.Uint64(tail.Data[8:])
	if err := f.loadStable(); err != nil {
		return err
	}
	for i := f.first; i <= f.last && f.last != 0; i++ {
		l, err := f.fetch(i)
		if errors.Is(err, raft.ErrLogNotFound) {
			return damaged("log entry %d is missing", i)
		}
		if err != nil {
			return err
		}
		if err := each(i, l.Term); err != nil {
			return err
		}
	}
	if f.readOnly {
		return nil
	}
	return f.sweep()
}

// sweep removes entries outside of what the tail says.
func (f *fileLog) sweep() error {
	return f.guard(func() error {
		first, err := f.db.FirstIndex()
		if err != nil {
			return err
		}
		if f.last == 0 && first != tailIndex {
			return f.db.DeleteRange(0, tailIndex-1)
		}
		if first < f.first {
			if err := f.db.DeleteRange(0, f.first-1); err != nil {
				return err
			}
		}
		var next raft.Log
		if err := f.db.GetLog(f.last+1, &next); errors.Is(err, raft.ErrLogNotFound) {
			return nil
		}
		return f.db.DeleteRange(f.last+1, tailIndex-1)
	})
}

func (f *fileLog) append(logs []*raft.Log) (size int, err error) {
	sealed := make([]*raft.Log, 0, len(logs)+1)
	for _, l := range logs {
		s := f.seal(l)
		size += len(s.Data)
		sealed = append(sealed, s)
	}
	first, last := f.first, logs[len(logs)-1].Index
	if f.last == 0 {
		first = logs[0].Index
	}
	sealed = append(sealed, f.tail(first, last))
	if err := f.guard(func() error { return f.db.StoreLogs(sealed) }); err != nil {
		return 0, err
	}
	f.first, f.last = first, last
	return size, nil
}

func (f *fileLog) read(index, _ uint64, l *raft.Log, _ bool) error {
	got, err := f.fetch(index)
	if err != nil {
		return err
	}
	*l = *got
	return nil
}

// cutPrefix moves the beginning in the tail first: a crash before the entries
// are gone leaves some that the next load removes.
func (f *fileLog) cutPrefix(first, through uint64) error {
	return f.cut(through+1, f.last, first, through)
}

func (f *fileLog) cutSuffix(from, last, _ uint64) error {
	if from == f.first {
		return f.cut(0, 0, from, last)
	}
	return f.cut(f.first, from-1, from, last)
}

func (f *fileLog) cut(first, last, from, to uint64) error {
	return f.guard(func() error {
		if err := f.db.StoreLog(f.tail(first, last)); err != nil {
			return err
		}
		f.first, f.last = first, last
		return f.db.DeleteRange(from, to)
	})
}

func (f *fileLog) close() error {
	return f.guard(f.db.Close)
}
