package storage

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// Reader reads rows: a Store reads the newest, a Snapshot those of its moment.
type Reader interface {
	// Get returns ErrNotFound, or a value that holds until the closer is closed.
	Get(key []byte) (value []byte, closer io.Closer, err error)
	// NewIter walks [lower, upper); nil means no limit.
	NewIter(lower, upper []byte) (*Iter, error)
}

func get(r pebble.Reader, key []byte) ([]byte, io.Closer, error) {
	v, c, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("get %x: %w", key, named(err))
	}
	return v, c, nil
}

func newIter(r pebble.Reader, lower, upper []byte) (*Iter, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("iterate: %w", named(err))
	}
	return &Iter{it}, nil
}

// Get implements Reader.
func (s *Store) Get(key []byte) ([]byte, io.Closer, error) { return get(s.db, key) }

// NewIter implements Reader.
func (s *Store) NewIter(lower, upper []byte) (*Iter, error) { return newIter(s.db, lower, upper) }

// Snapshot reads the rows of its moment. Close it soon: it keeps files alive.
type Snapshot struct{ s *pebble.Snapshot }

// NewSnapshot pins what is committed now.
func (s *Store) NewSnapshot() *Snapshot { return &Snapshot{s.db.NewSnapshot()} }

// Get implements Reader.
func (s *Snapshot) Get(key []byte) ([]byte, io.Closer, error) { return get(s.s, key) }

// NewIter implements Reader.
func (s *Snapshot) NewIter(lower, upper []byte) (*Iter, error) { return newIter(s.s, lower, upper) }

// Close lets go of the moment.
func (s *Snapshot) Close() error { return s.s.Close() }

// Iter walks rows in key order. A move that returns false has reached the end
// or an error: ask Error. Key and Value hold until the next move.
type Iter struct{ it *pebble.Iterator }

func (i *Iter) First() bool          { return i.it.First() }
func (i *Iter) Last() bool           { return i.it.Last() }
func (i *Iter) Next() bool           { return i.it.Next() }
func (i *Iter) Prev() bool           { return i.it.Prev() }
func (i *Iter) SeekGE(k []byte) bool { return i.it.SeekGE(k) }
func (i *Iter) SeekLT(k []byte) bool { return i.it.SeekLT(k) }
func (i *Iter) Valid() bool          { return i.it.Valid() }
func (i *Iter) Key() []byte          { return i.it.Key() }
func (i *Iter) Value() []byte        { return i.it.Value() }
func (i *Iter) Error() error         { return named(i.it.Error()) }
func (i *Iter) Close() error         { return named(i.it.Close()) }
