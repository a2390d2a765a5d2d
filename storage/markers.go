package storage

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markerFS makes a directory durable before a marker file in it appears or goes.
// Pebble 2.1.7 makes a new list of tables, then the marker that names it, removes
// the marker before, and only then syncs the directory: a power cut in between can
// leave a marker without its list (Pebble's issue 5825), or none.
type markerFS struct{ FS }

func (m markerFS) Unwrap() FS { return m.FS }

func (m markerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := m.settle(name); err != nil {
		return nil, err
	}
	return m.FS.Create(name, c)
}

func (m markerFS) Remove(name string) error {
	if err := m.settle(name); err != nil {
		return err
	}
	return m.FS.Remove(name)
}

func (m markerFS) settle(name string) error {
	if !strings.HasPrefix(m.PathBase(name), "marker.") {
		return nil
	}
	return syncDir(m.FS, m.PathDir(name))
}
