//go:build faults

package lossyfs

import (
	"context"
	"math/rand/v2"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// file is a file: as it is, and as far as it is durable.
type file struct {
	fs.Inode
	disk *Disk

	now    []byte
	synced []byte
	dirty  map[int]struct{} // sectors of now that synced does not have
}

var (
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
	_ fs.NodeAllocater = (*file)(nil)
)

func newFile(d *Disk, durable []byte) *file {
	return &file{disk: d, now: append([]byte(nil), durable...), synced: durable, dirty: map[int]struct{}{}}
}

func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (f *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.now)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, f.now[off:])]), 0
}

func (f *file) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	end := int(off) + len(data)
	f.resize(max(len(f.now), end))
	copy(f.now[off:], data)
	f.touch(int(off), end)
	return uint32(len(data)), 0
}

func (f *file) touch(from, to int) {
	for sector := from / sectorBytes; sector*sectorBytes < to; sector++ {
		f.dirty[sector] = struct{}{}
	}
}

// resize changes the size; what is new is zero.
func (f *file) resize(size int) {
	old := len(f.now)
	switch {
	case size < old:
		f.now = f.now[:size]
		f.touch(size, old)
	case size > old:
		f.now = append(f.now, make([]byte, size-old)...)
		f.touch(old, size)
	}
}

func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.synced = f.persist(f.synced, len(f.now), func(int) bool { return true })
	clear(f.dirty)
	return 0
}

// persist is durable with the new size and with those dirty sectors that are kept.
func (f *file) persist(durable []byte, size int, keep func(sector int) bool) []byte {
	if size <= len(durable) {
		durable = durable[:size]
	} else {
		durable = append(durable, make([]byte, size-len(durable))...)
	}
	for sector := range f.dirty {
		from := sector * sectorBytes
		if !keep(sector) || from >= size {
			continue
		}
		clear(durable[from:min(from+sectorBytes, size)])
		if from < len(f.now) {
			copy(durable[from:], f.now[from:min(from+sectorBytes, len(f.now), size)])
		}
	}
	return durable
}

// left is what a power cut leaves of the content.
func (f *file) left(rng *rand.Rand) []byte {
	share := [...]float64{0, rng.Float64(), 1}[rng.IntN(3)] // of the unsynced sectors that made it
	size := len(f.synced)
	if rng.Float64() < share {
		size = len(f.now)
	}
	kept := map[int]bool{} // decided one by one in order: a map's order is not the seed's
	for sector := range (max(len(f.now), len(f.synced)) + sectorBytes - 1) / sectorBytes {
		if _, ok := f.dirty[sector]; ok {
			kept[sector] = rng.Float64() < share
		}
	}
	return f.persist(append([]byte(nil), f.synced...), size, func(sector int) bool { return kept[sector] })
}

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	out.Mode, out.Size, out.Blocks = fuse.S_IFREG|0o644, uint64(len(f.now)), uint64(len(f.now)+511)/512
	return 0
}

func (f *file) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		f.disk.mu.Lock()
		f.resize(int(size))
		f.disk.mu.Unlock()
	}
	return f.Getattr(ctx, fh, out)
}

func (f *file) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	const keepSize = 1
	if mode&^keepSize != 0 {
		return syscall.ENOTSUP
	}
	if mode == 0 {
		f.disk.mu.Lock()
		f.resize(max(len(f.now), int(off+size)))
		f.disk.mu.Unlock()
	}
	return 0
}
