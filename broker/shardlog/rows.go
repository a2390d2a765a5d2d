package shardlog

import (
	"errors"
	"slices"
	"strings"

	"github.com/runnel-io/runnel/storage"
)

// get reads one row and copies its value.
func get(r storage.Reader, k []byte) (value []byte, ok bool, err error) {
	v, closer, err := r.Get(k)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value = slices.Clone(v)
	return value, true, closer.Close()
}

// scan calls f for each row in [lo, hi). Key and value are f's for the call.
func scan(r storage.Reader, lo, hi []byte, f func(k, v []byte) error) (err error) {
	it, err := r.NewIter(lo, hi)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return it.Error()
}

// overlay holds the small rows that the batch under way has set (or, as nil,
// deleted): Apply must see its own effects, whatever entries happen to share a
// batch, or replicas would differ.
type overlay map[string][]byte

func (o *overlay) set(b *storage.Batch, k, v []byte) {
	o.note(k, v)
	b.Set(k, v)
}

func (o *overlay) delete(b *storage.Batch, k []byte) {
	o.note(k, nil)
	b.Delete(k)
}

func (o *overlay) note(k, v []byte) {
	if *o == nil {
		*o = overlay{}
	}
	(*o)[string(k)] = v
}

func (o overlay) get(r storage.Reader, k []byte) ([]byte, bool, error) {
	if v, ok := o[string(k)]; ok {
		return v, v != nil, nil
	}
	return get(r, k)
}

type row struct{ key, value []byte }

// first returns at most limit rows of [lo, hi) in order, as they will be after
// the batch.
func (o overlay) first(r storage.Reader, lo, hi []byte, limit int) ([]row, error) {
	var rows []row
	stored := 0
	err := scan(r, lo, hi, func(k, v []byte) error {
		if _, hidden := o[string(k)]; hidden {
			return nil
		}
		rows = append(rows, row{slices.Clone(k), slices.Clone(v)})
		if stored++; stored == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	for k, v := range o { // sorted below
		if v != nil && k >= string(lo) && k < string(hi) {
			rows = append(rows, row{[]byte(k), v})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(string(a.key), string(b.key)) })
	return rows[:min(limit, len(rows))], nil
}

var errEnough = errors.New("enough rows")
