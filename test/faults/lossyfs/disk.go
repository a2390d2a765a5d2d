//go:build faults

// Package lossyfs is a file system in memory, served by FUSE, that loses in a
// power cut what a disk may lose: sectors of files that were written and not
// synced, each by itself; sizes that changed since; and creations, removals and
// renames since the directory was last synced, from some point on or any of
// them. What was synced stays. kill -9 alone shows none of this, because the
// machine's page cache outlives a process.
//
// It promises as little as POSIX lets it: an fsync of a file does not make its
// name durable. It keeps no more than a test needs: no links, owners or times.
package lossyfs

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is a mounted file system. Cut it when the processes that use it are gone.
type Disk struct {
	mountpoint string
	server     *fuse.Server

	mu   sync.Mutex // over all files and directories
	root *dir
}

// Mount mounts an empty disk.
func Mount(mountpoint string) (*Disk, error) {
	d := &Disk{mountpoint: mountpoint}
	if err := d.mount(image{}); err != nil {
		return nil, err
	}
	return d, nil
}

// mount serves a tree in which everything is durable.
func (d *Disk) mount(from image) error {
	d.root = &dir{disk: d, restored: from}
	server, err := fs.Mount(d.mountpoint, d.root, &fs.Options{
		MountOptions: fuse.MountOptions{MaxWrite: 1 << 20, FsName: "lossy", Name: "lossy", DirectMount: true},
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w (it needs /dev/fuse and root)", d.mountpoint, err)
	}
	d.server = server
	return nil
}

// Cut cuts the power: the disk is mounted again with what is left of it. rng
// decides, so the same seed and the same writes leave the same.
func (d *Disk) Cut(rng *rand.Rand) error {
	if err := d.Unmount(); err != nil {
		return err
	}
	d.mu.Lock()
	left := d.root.left(rng)
	d.mu.Unlock()
	return d.mount(left)
}

// Unmount ends the disk.
func (d *Disk) Unmount() error {
	if err := d.server.Unmount(); err != nil {
		return fmt.Errorf("unmount %s: %w", d.mountpoint, err)
	}
	d.server.Wait()
	return nil
}

// image is what a power cut leaves: directories and the contents of files.
type image struct {
	files map[string][]byte
	dirs  map[string]image
}

// Mountpoint is where the disk is mounted.
func (d *Disk) Mountpoint() string { return d.mountpoint }
