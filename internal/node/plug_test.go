package node

import (
	"math/rand/v2"
	"sync"

	"github.com/runnel-io/runnel/storage"
	"github.com/runnel-io/runnel/storage/faultfs"
	"github.com/runnel-io/runnel/stream"
)

// plug cuts the power of a file system once: on demand, or when as many operations
// as it was set to have changed something or made it durable.
type plug struct {
	fs      *storage.MemFS
	ledger  *ledger
	percent int // of what was not synced that stays, about
	rng     *rand.Rand

	mu     sync.Mutex
	after  int // operations to go; < 0: it waits for pull
	pulled bool

	left  *storage.MemFS             // what the cut leaves
	acked map[string]stream.Sequence // what was acknowledged before it
}

func (c *cutter) newPlug() *plug {
	return &plug{
		fs: c.fs, ledger: c.ledger, after: -1,
		percent: c.rng.IntN(101), rng: rand.New(rand.NewPCG(c.rng.Uint64(), 1)),
	}
}

// disk is the file system that the plug belongs to.
func (p *plug) disk() storage.FS {
	return faultfs.Hook(p.fs, func(string) error { p.count(); return nil })
}

// set makes the plug count.
func (p *plug) set(operations int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = operations
}

func (p *plug) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after--; p.after == 0 {
		p.cut()
	}
}

// pull cuts the power unless it is cut already, and tells whether it was.
func (p *plug) pull() (before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.pulled
	p.cut()
	return before
}

// cut takes what is acknowledged first and the disk second: all of the former
// must be on what is left of the latter.
func (p *plug) cut() {
	if p.pulled {
		return
	}
	p.pulled = true
	p.acked = p.ledger.freeze()
	p.left = p.fs.CrashClone(storage.CrashCloneCfg{UnsyncedDataPercent: p.percent, RNG: p.rng})
}
