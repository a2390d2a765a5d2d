package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/runnel-io/runnel/broker/coalesce"
	"github.com/runnel-io/runnel/raftlog"
	"github.com/runnel-io/runnel/storage"
)

// Config is how a broker behaves. Zero fields stand for the defaults.
type Config struct {
	Account string // 12 digits; "000000000000"
	Region  string // "us-east-1"

	// Quotas turns the rates of shards and of the control plane on.
	Quotas bool
	// LifecycleDelay is how long a stream stays CREATING, UPDATING or DELETING at least.
	LifecycleDelay time.Duration
	// ShardLimit is how many shards the account may have; 20,000.
	ShardLimit int
	// DataGroups is how many data groups a new cluster gets: one, or two with
	// more than two cores. It is fixed when the cluster is founded.
	DataGroups int

	TailCacheBytes int64 // recent blocks of all groups; 64 MiB
	InFlightBytes  int64 // records in unanswered puts; 64 MiB
	ParkedBytes    int64 // of these, how many may wait for a reshard; 16 MiB

	// TrimAfterClockJump lets the node delete expired records although its
	// clock is more than an hour ahead of what was to be expected.
	TrimAfterClockJump bool

	// Now is the wall clock; time.Now.
	Now func() time.Time

	// fault is called after each persisted step of an operation. A *stream.Error
	// fails the step; another error stops the reconciler at that point, as a
	// crash would. For tests.
	fault func(point string) error
	// elapsed never goes back; by default it counts while the machine sleeps.
	elapsed func() time.Duration
	// trusted tells whether the wall is held to other clocks.
	trusted func() bool
	// reshardPatience is how long a put waits for the map to flip; 2 s.
	reshardPatience time.Duration
	// tidyEvery is how often expired shards are looked for.
	tidyEvery time.Duration
}

// Deps are what a broker stands on. They outlive it.
type Deps struct {
	Store  *storage.Store
	Host   *raftlog.Host
	Logger *slog.Logger // nil: none

	// OnCorrupt is told of every block that was not served because it is damaged.
	// Any goroutine may call it. nil: nobody is told.
	OnCorrupt func(error)
}

const (
	defaultAccount    = "000000000000"
	defaultRegion     = "us-east-1"
	defaultShardLimit = 20_000
	mib               = 1 << 20
)

func (c Config) withDefaults() Config {
	if c.Account == "" {
		c.Account = defaultAccount
	}
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if c.ShardLimit == 0 {
		c.ShardLimit = defaultShardLimit
	}
	if c.DataGroups == 0 {
		c.DataGroups = 1
		if runtime.NumCPU() > 2 {
			c.DataGroups = 2
		}
	}
	if c.TailCacheBytes == 0 {
		c.TailCacheBytes = 64 * mib
	}
	if c.InFlightBytes == 0 {
		c.InFlightBytes = 64 * mib
	}
	if c.ParkedBytes == 0 {
		c.ParkedBytes = 16 * mib
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.reshardPatience == 0 {
		c.reshardPatience = 2 * time.Second
	}
	if c.elapsed == nil {
		c.elapsed = coalesce.System().Elapsed
	}
	if c.trusted == nil {
		c.trusted = coalesce.Disciplined
	}
	if c.tidyEvery == 0 {
		c.tidyEvery = time.Minute
	}
	return c
}

// validate reports all faults at once.
func (c Config) validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(len(c.Account) != 12, "account %q has not 12 digits", c.Account)
	for _, r := range c.Account {
		if r < '0' || r > '9' {
			bad(true, "account %q has not only digits", c.Account)
			break
		}
	}
	bad(c.LifecycleDelay < 0, "life-cycle delay %v is negative", c.LifecycleDelay)
	bad(c.ShardLimit < 0, "shard limit %d is negative", c.ShardLimit)
	bad(c.DataGroups < 1, "%d data groups are too few", c.DataGroups)
	bad(c.InFlightBytes < 0 || c.ParkedBytes < 0 || c.TailCacheBytes < 0, "a byte budget is negative")
	return errors.Join(errs...)
}
