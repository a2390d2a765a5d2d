package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/runnel-io/runnel/raftlog/entry"
	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/key"
)

// rowLog keeps a log in the node's store: headers in the group's log space, and
// rows where they belong.
type rowLog struct {
	store *storage.Store
	group uint32
	buf   []byte // headers, reused between appends
	turns turns
}

// load checks every header.
func (p *rowLog) load(each func(index, term uint64) error) (err error) {
	lo, hi := key.LogBounds(p.group)
	it, err := p.store.NewIter(lo, hi)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		_, index, err := key.ParseLog(it.Key())
		if err != nil {
			return damaged("log: %w", err)
		}
		h, err := decodeHeader(it.Key(), it.Value())
		if err != nil {
			return damaged("log entry %d: %w", index, err)
		}
		if h.log.Index != index {
			return damaged("log entry %d says it is %d", index, h.log.Index)
		}
		if err := each(index, h.log.Term); err != nil {
			return err
		}
	}
	return it.Error()
}

// append stores headers and rows of the entries in one synced batch, or, where a
// segment begins, in two with one sync: of the first then all is on disk before any
// of the second.
func (p *rowLog) append(logs []*raft.Log) (size int, err error) {
	b := p.store.NewBatch()
	defer func() { b.Close() }()
	for _, l := range logs {
		h, values := split(l)
		if ended, begins := p.turns.at(h.items); begins {
			size += b.Bytes()
			if err := b.Commit(false); err != nil {
				return size, err
			}
			b.Close()
			b = p.store.NewBatch()
			if err := p.store.MakeRoom(ended); err != nil {
				return size, err
			}
		}
		for i, it := range h.items {
			b.Set(it.key, values[i])
		}
		k := key.Log(p.group, l.Index)
		p.buf = h.encode(p.buf[:0], k)
		b.Set(k, p.buf)
	}
	if cap(p.buf) > 1<<20 {
		p.buf = nil
	}
	return size + b.Bytes(), b.Commit(true)
}

// read puts an entry together. A row may be gone if the entry is applied (it
// was refused, or trimmed): then the entry is no longer in the log.
func (p *rowLog) read(index, applied uint64, l *raft.Log, headerOnly bool) error {
	h, err := p.header(index)
	if err != nil {
		return err
	}
	*l = h.log
	if !h.rows || headerOnly {
		return nil
	}
	b := entry.NewBuilder(h.size())
	for i, it := range h.items {
		err := p.row(b, it)
		if errors.Is(err, storage.ErrNotFound) && index <= applied {
			return raft.ErrLogNotFound
		}
		if errors.Is(err, storage.ErrNotFound) {
			return damaged("log entry %d: row %d, key %x, is missing", index, i, it.key)
		}
		if err != nil {
			return fmt.Errorf("log entry %d: row %d: %w", index, i, err)
		}
	}
	l.Data = b.Finish(h.proposed, h.command).Bytes()
	return nil
}

// row copies a row into an entry and checks it.
func (p *rowLog) row(b *entry.Builder, it item) error {
	v, closer, err := p.store.Get(it.key)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	if uint32(len(v)) != it.length || entry.Checksum(v) != it.sum {
		return damaged("value of key %x fails its checksum", it.key)
	}
	b.AppendRow(it.key, func(dst []byte) []byte { return append(dst, v...) })
	return nil
}

// header reads a header; what it returns is the caller's.
func (p *rowLog) header(index uint64) (header, error) {
	k := key.Log(p.group, index)
	v, closer, err := p.store.Get(k)
	if errors.Is(err, storage.ErrNotFound) {
		return header{}, raft.ErrLogNotFound
	}
	if err != nil {
		return header{}, fmt.Errorf("log entry %d: %w", index, err)
	}
	defer func() { _ = closer.Close() }()
	h, err := decodeHeader(k, slices.Clone(v))
	if err == nil && h.log.Index != index {
		err = fmt.Errorf("it says it is %d", h.log.Index)
	}
	if err != nil {
		return header{}, damaged("log entry %d: %w", index, err)
	}
	return h, nil
}

// cutPrefix forgets applied entries. Their rows stay: they are the data. A
// crash may bring the headers back, which harms nobody.
func (p *rowLog) cutPrefix(first, through uint64) error {
	b := p.store.NewBatch()
	defer b.Close()
	b.DeleteRange(key.Log(p.group, first), key.Log(p.group, through+1))
	return b.Commit(false)
}

// cutSuffix removes entries from the tail, with the rows of those that are not
// applied, in one synced batch.
func (p *rowLog) cutSuffix(from, last, applied uint64) error {
	b := p.store.NewBatch()
	defer b.Close()
	for index := max(from, applied+1); index <= last; index++ {
		h, err := p.header(index)
		if err != nil {
			return err
		}
		for _, it := range h.items {
			b.Delete(it.key)
		}
	}
	b.DeleteRange(key.Log(p.group, from), key.Log(p.group, last+1))
	return b.Commit(true)
}

// A stable row is version (1), value, CRC32C of key and those (4).
const stableVersion = 1

func (p *rowLog) set(name, value []byte, writes uint64) error {
	b := p.store.NewBatch()
	defer b.Close()
	for name, value := range map[string][]byte{string(name): value, keyWrites: binary.BigEndian.AppendUint64(nil, writes)} {
		k := key.Stable(p.group, name)
		b.Set(k, sealStable(k, value))
	}
	return b.Commit(true)
}

func (p *rowLog) get(name []byte) ([]byte, error) {
	k := key.Stable(p.group, string(name))
	v, closer, err := p.store.Get(k)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	value, err := openStable(k, v)
	if err != nil {
		return nil, damaged("%s: %w", name, err)
	}
	return slices.Clone(value), nil
}

func (p *rowLog) close() error { return nil }
