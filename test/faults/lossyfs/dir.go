//go:build faults

package lossyfs

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dir is a directory. What is in it now is the tree of inodes; what of that is
// durable is kept here.
type dir struct {
	fs.Inode
	disk     *Disk
	restored image // what it begins with

	durable map[string]fs.InodeEmbedder
	edits   []edit // since the last sync
}

// edit is a change of names that is durable as a whole: the nodes by name
// afterwards, nil for none.
type edit map[string]fs.InodeEmbedder

var (
	_ fs.NodeOnAdder   = (*dir)(nil)
	_ fs.NodeCreater   = (*dir)(nil)
	_ fs.NodeMkdirer   = (*dir)(nil)
	_ fs.NodeUnlinker  = (*dir)(nil)
	_ fs.NodeRmdirer   = (*dir)(nil)
	_ fs.NodeRenamer   = (*dir)(nil)
	_ fs.NodeFsyncer   = (*dir)(nil)
	_ fs.NodeGetattrer = (*dir)(nil)
	_ fs.NodeStatfser  = (*dir)(nil)
)

func (d *dir) OnAdd(ctx context.Context) {
	d.durable = map[string]fs.InodeEmbedder{}
	for name, content := range d.restored.files {
		d.durable[name] = newFile(d.disk, content)
	}
	for name, below := range d.restored.dirs {
		d.durable[name] = &dir{disk: d.disk, restored: below}
	}
	for name, node := range d.durable {
		mode := uint32(fuse.S_IFREG)
		if _, is := node.(*dir); is {
			mode = fuse.S_IFDIR
		}
		d.AddChild(name, d.NewPersistentInode(ctx, node, fs.StableAttr{Mode: mode}), false)
	}
	d.restored = image{}
}

func (d *dir) record(e edit) {
	d.disk.mu.Lock()
	d.edits = append(d.edits, e)
	d.disk.mu.Unlock()
}

func (d *dir) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := newFile(d.disk, nil)
	node := d.NewPersistentInode(ctx, f, fs.StableAttr{Mode: fuse.S_IFREG})
	d.record(edit{name: f})
	out.Mode = fuse.S_IFREG | 0o644
	return node, nil, 0, 0
}

func (d *dir) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	below := &dir{disk: d.disk}
	node := d.NewPersistentInode(ctx, below, fs.StableAttr{Mode: fuse.S_IFDIR})
	d.record(edit{name: below})
	out.Mode = fuse.S_IFDIR | 0o755
	return node, 0
}

func (d *dir) Unlink(_ context.Context, name string) syscall.Errno {
	d.record(edit{name: nil})
	return 0
}

func (d *dir) Rmdir(_ context.Context, name string) syscall.Errno {
	if child := d.GetChild(name); child != nil && len(child.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	d.record(edit{name: nil})
	return 0
}

func (d *dir) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*dir)
	if !ok || flags != 0 || to != d { // nobody moves files between directories
		return syscall.ENOTSUP
	}
	child := d.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	d.record(edit{name: nil, newName: child.Operations()})
	return 0
}

func (d *dir) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.durable, d.edits = d.after(d.edits), nil
	return 0
}

// after is what is in the directory after these of its edits.
func (d *dir) after(edits []edit) map[string]fs.InodeEmbedder {
	names := maps.Clone(d.durable)
	for _, e := range edits {
		for name, node := range e {
			if node == nil {
				delete(names, name)
			} else {
				names[name] = node
			}
		}
	}
	return names
}

// surviving are the edits that a power cut leaves: all up to some moment, as a file
// system with a journal leaves them, or any, as POSIX allows.
func (d *dir) surviving(rng *rand.Rand) []edit {
	if rng.IntN(2) == 0 {
		return d.edits[:rng.IntN(len(d.edits)+1)]
	}
	share := rng.Float64()
	var kept []edit
	for _, e := range d.edits {
		if rng.Float64() < share {
			kept = append(kept, e)
		}
	}
	return kept
}

// left is what a power cut leaves of the directory and what is in it.
func (d *dir) left(rng *rand.Rand) image {
	im := image{files: map[string][]byte{}, dirs: map[string]image{}}
	names := d.after(d.surviving(rng))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch node := names[name].(type) {
		case *file:
			im.files[name] = node.left(rng)
		case *dir:
			im.dirs[name] = node.left(rng)
		}
	}
	return im
}

func (d *dir) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = fuse.S_IFDIR | 0o755
	return 0
}

// Statfs says that there is a lot of space.
func (d *dir) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block = 4096
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Blocks, out.Bfree, out.Bavail = 64<<30/block, 60<<30/block, 60<<30/block
	return 0
}
