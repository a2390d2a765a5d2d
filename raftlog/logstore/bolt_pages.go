package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
)

// checkPages walks the pages of a bbolt file that are in use and checks their
// structure. bbolt itself does not: it follows damaged pages into panics or
// into other data, and if the newest meta page is damaged it uses the one
// before, which silently undoes the last write.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w := walk{r: f, size: info.Size(), seen: map[uint64]bool{}}
	if err := w.begin(); err != nil {
		return err
	}
	return w.page(w.root, nil, nil)
}

type walk struct {
	r        io.ReaderAt
	size     int64
	pageSize uint64
	root     uint64
	freelist uint64
	pages    uint64 // all page numbers are below
	seen     map[uint64]bool
}

// Of the page header: id (8), flags (2), count (2), overflow (4). Then come
// elements of 16 bytes, then keys and values. Integers are the machine's, and
// all machines we build for are little-endian.
const (
	pageHeader  = 16
	pageElement = 16
	flagBranch  = 1
	flagLeaf    = 2
	leafBucket  = 1
	metaBytes   = 64 // with its checksum (8)

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = math.MaxUint64
)

// begin reads both meta pages. Both must be whole: a write replaces the older
// one, in one sector.
func (w *walk) begin() error {
	var newest uint64
	first := make([]byte, pageHeader+metaBytes)
	if _, err := w.r.ReadAt(first, 0); err != nil {
		return fmt.Errorf("meta page 0: %w", err)
	}
	w.pageSize = uint64(binary.LittleEndian.Uint32(first[pageHeader+8:]))
	if w.pageSize < 512 || w.pageSize > 1<<16 || w.pageSize&(w.pageSize-1) != 0 {
		return fmt.Errorf("meta page 0: page size %d", w.pageSize)
	}
	for i := range uint64(2) {
		b := make([]byte, pageHeader+metaBytes)
		if _, err := w.r.ReadAt(b, int64(i*w.pageSize)); err != nil {
			return fmt.Errorf("meta page %d: %w", i, err)
		}
		m := b[pageHeader:]
		if err := w.checkMeta(m); err != nil {
			return fmt.Errorf("meta page %d: %w", i, err)
		}
		if tx := binary.LittleEndian.Uint64(m[48:]); tx >= newest {
			newest = tx
			w.root = binary.LittleEndian.Uint64(m[16:])
			w.pages = binary.LittleEndian.Uint64(m[40:])
			w.freelist = binary.LittleEndian.Uint64(m[32:])
		}
	}
	if w.freelist != noFreelist {
		return errors.New("free list on disk: not written by this program")
	}
	if w.pages > uint64(w.size)/w.pageSize {
		return fmt.Errorf("%d pages in a file of %d bytes", w.pages, w.size)
	}
	return nil
}

func (w *walk) checkMeta(m []byte) error {
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaBytes-8])
	switch {
	case sum.Sum64() != binary.LittleEndian.Uint64(m[metaBytes-8:]):
		return errors.New("checksum is wrong")
	case binary.LittleEndian.Uint32(m) != boltMagic || binary.LittleEndian.Uint32(m[4:]) != boltVersion:
		return errors.New("not a bbolt file of version 2")
	case uint64(binary.LittleEndian.Uint32(m[8:])) != w.pageSize:
		return errors.New("another page size")
	}
	return nil
}

// page checks a page and what is below it. Its keys are in [lo, hi); nil is no
// bound.
func (w *walk) page(id uint64, lo, hi []byte) error {
	b, err := w.load(id)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	if err := w.elements(b, lo, hi); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// load reads a page with its overflow.
func (w *walk) load(id uint64) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, errors.New("out of the file")
	}
	if w.seen[id] {
		return nil, errors.New("used twice")
	}
	head := make([]byte, pageHeader)
	if _, err := w.r.ReadAt(head, int64(id*w.pageSize)); err != nil {
		return nil, err
	}
	if got := binary.LittleEndian.Uint64(head); got != id {
		return nil, fmt.Errorf("it says it is page %d", got)
	}
	more := uint64(binary.LittleEndian.Uint32(head[12:]))
	if id+more >= w.pages {
		return nil, errors.New("longer than the file")
	}
	for i := id; i <= id+more; i++ {
		if w.seen[i] {
			return nil, errors.New("overlaps another")
		}
		w.seen[i] = true
	}
	b := make([]byte, (1+more)*w.pageSize)
	_, err := w.r.ReadAt(b, int64(id*w.pageSize))
	return b, err
}

// elements checks the elements of a page, or of a bucket inside of a value.
func (w *walk) elements(b, lo, hi []byte) error {
	flags, count := binary.LittleEndian.Uint16(b[8:]), int(binary.LittleEndian.Uint16(b[10:]))
	if flags != flagBranch && flags != flagLeaf {
		return fmt.Errorf("flags %#x", flags)
	}
	if pageHeader+count*pageElement > len(b) {
		return fmt.Errorf("%d elements", count)
	}
	if flags == flagBranch && count == 0 {
		return errors.New("a branch to nowhere")
	}
	keys := make([][]byte, count)
	for i := range keys {
		k, err := elementKey(b, flags, i)
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		// The first key of a branch may lie above keys that were put below it later.
		if i > 0 && bytes.Compare(k, keys[i-1]) <= 0 || bytes.Compare(k, lo) < 0 || hi != nil && bytes.Compare(k, hi) >= 0 {
			return fmt.Errorf("element %d is out of order", i)
		}
		keys[i] = k
	}
	for i := range keys {
		if err := w.below(b, flags, i, keys, lo, hi); err != nil {
			return err
		}
	}
	return nil
}

// elementKey finds the key of an element. A branch's is: position (4), key
// length (4), page (8); a leaf's: flags (4), position (4), key length (4),
// value length (4). Positions count from the element.
func elementKey(b []byte, flags uint16, i int) ([]byte, error) {
	at := uint64(pageHeader + i*pageElement)
	e := b[at:]
	pos, size, value := uint64(binary.LittleEndian.Uint32(e)), uint64(binary.LittleEndian.Uint32(e[4:])), uint64(0)
	if flags == flagLeaf {
		pos, size, value = uint64(binary.LittleEndian.Uint32(e[4:])), uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
	}
	if at+pos+size+value > uint64(len(b)) || at+pos < pageHeader {
		return nil, errors.New("out of the page")
	}
	return b[at+pos : at+pos+size], nil
}

// below goes on to the page under a branch element, or into the bucket that a
// leaf element holds.
func (w *walk) below(b []byte, flags uint16, i int, keys [][]byte, lo, hi []byte) error {
	at := uint64(pageHeader + i*pageElement)
	e := b[at:]
	if flags == flagBranch {
		if i > 0 {
			lo = keys[i]
		}
		if i+1 < len(keys) {
			hi = keys[i+1]
		}
		return w.page(binary.LittleEndian.Uint64(e[8:]), lo, hi)
	}
	switch binary.LittleEndian.Uint32(e) {
	case 0:
		return nil
	case leafBucket:
		return w.bucket(keys[i], e)
	}
	return fmt.Errorf("element %d: flags %#x", i, binary.LittleEndian.Uint32(e))
}

// bucket checks the bucket in a value: root (8), sequence (8), and, if the root
// is 0, a page of its own.
func (w *walk) bucket(name, e []byte) error {
	pos := uint64(binary.LittleEndian.Uint32(e[4:])) + uint64(binary.LittleEndian.Uint32(e[8:]))
	v := e[pos : pos+uint64(binary.LittleEndian.Uint32(e[12:]))]
	if len(v) < 16 {
		return fmt.Errorf("bucket %q has %d bytes", name, len(v))
	}
	var err error
	if root := binary.LittleEndian.Uint64(v); root != 0 {
		err = w.page(root, nil, nil)
	} else if v = v[16:]; len(v) < pageHeader {
		err = errors.New("cut short")
	} else {
		err = w.elements(v, nil, nil)
	}
	if err != nil {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	return nil
}
