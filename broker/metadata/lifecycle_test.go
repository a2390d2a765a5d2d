package metadata

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

func TestCreateDescribeDelete(t *testing.T) {
	w := newWorld(t)
	w.init(2)
	w.must(&CreateStream{Name: "orders", RetentionHours: 24, Groups: []uint32{1, 2, 1}, DueMs: w.ms + 500})
	s := w.stream("orders")
	if s.Status != Creating || len(s.OpenShards()) != 0 || len(s.Shards()) != 3 {
		t.Fatalf("created: %+v", s)
	}
	if !slices.Contains(w.woken, s.ID) {
		t.Fatal("the reconciler was not told")
	}
	if got := w.refused(&CreateStream{Name: "orders", RetentionHours: 24, Groups: []uint32{1}}, stream.CodeInUse); got !=
		"Stream orders under account 123456789012 already exists." {
		t.Fatal(got)
	}
	w.must(&Opened{Stream: s.ID})
	if s := w.stream("orders"); s.Status != Creating {
		t.Fatal("became ACTIVE before its delay")
	}
	w.refused(&Finish{Stream: s.ID}, stream.CodeInvalidArgument)
	w.ms += 500
	w.must(&Finish{Stream: s.ID})
	s = w.stream("orders")
	if s.Status != Active || len(s.OpenShards()) != 3 || s.OpenShards()[1].Range != stream.EvenRanges(3)[1] {
		t.Fatalf("active: %+v", s)
	}
	w.must(&DeleteStream{Name: "orders", DueMs: w.ms})
	if got := w.refused(&DeleteStream{Name: "orders"}, stream.CodeInUse); !strings.Contains(got, "instead in state DELETING") {
		t.Fatal(got)
	}
	w.must(&Removed{Stream: s.ID})
	if _, ok := w.m.Stream("orders"); ok {
		t.Fatal("still there")
	}
	select {
	case <-s.Superseded():
	default:
		t.Fatal("who waits for the stream is not woken")
	}
	if got := w.refused(&DeleteStream{Name: "orders"}, stream.CodeNotFound); got != "Stream orders under account 123456789012 not found." {
		t.Fatal(got)
	}
}

// A stream that is made again within the same second, even after reshards that
// ran ahead of the clock, must not take its predecessor's sequence numbers.
func TestRecreatedStreamHasGreaterCreationSeconds(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	last := int64(0)
	for range 5 {
		s := w.create("again", 1)
		if s.CreatedSec <= last {
			t.Fatalf("created in second %d after one of second %d", s.CreatedSec, last)
		}
		for i := range 3 {
			w.must(&SplitShard{Name: "again", Shard: uint32(2 * i), At: w.stream("again").shards[2*i].Range.Middle(), Groups: [2]uint32{1, 1}})
			w.settle("again")
		}
		last = w.stream("again").lastSec()
		w.must(&DeleteStream{Name: "again"})
		w.settle("again")
	}
	if len(w.m.tombs) != 1 {
		t.Fatalf("tombstones: %v", w.m.tombs)
	}
	w.ms += 3_600_000
	w.create("other", 1)
	if len(w.m.tombs) != 0 || len(w.restore().tombs) != 0 {
		t.Fatal("the tombstone outlives its use")
	}
	if s := w.create("again", 1); s.CreatedSec != w.ms/1000 {
		t.Fatalf("created in second %d, not by the clock", s.CreatedSec)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	l := Limits{Shards: 4, Creating: 2, ScalesPerDay: 2}
	w.must(&CreateStream{Name: "a", RetentionHours: 24, Groups: []uint32{1, 1}, Limits: l})
	w.must(&CreateStream{Name: "b", RetentionHours: 24, Groups: []uint32{1}, Limits: l})
	w.refused(&CreateStream{Name: "c", RetentionHours: 24, Groups: []uint32{1}, Limits: l}, stream.CodeLimitExceeded)
	w.settle("a")
	w.settle("b")
	text := w.refused(&CreateStream{Name: "c", RetentionHours: 24, Groups: []uint32{1, 1}, Limits: l}, stream.CodeLimitExceeded)
	want := "This request would exceed the shard limit for the account 123456789012 in eu-west-1. Current shard count for the account: 3. " +
		"Limit: 4. Number of additional shards that would have resulted from this request: 2. Refer to the AWS Service Limits page " +
		"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
	if text != want {
		t.Fatalf("got  %s\nwant %s", text, want)
	}
	w.must(&SplitShard{Name: "b", Shard: 0, At: stream.HashKey{Hi: 1}, Groups: [2]uint32{1, 1}, Limits: l})
	w.settle("b")
	w.refused(&SplitShard{Name: "b", Shard: 1, At: stream.HashKey{Hi: 5}, Groups: [2]uint32{1, 1}, Limits: l}, stream.CodeLimitExceeded)
	w.refused(&UpdateShardCount{Name: "a", Target: 3, Limits: l}, stream.CodeLimitExceeded)
	for _, target := range []uint32{1, 2} {
		w.must(&UpdateShardCount{Name: "a", Target: target, Limits: l})
		w.settle("a")
	}
	w.refused(&UpdateShardCount{Name: "a", Target: 1, Limits: l}, stream.CodeLimitExceeded)
	w.ms += msPerDay + 1
	w.must(&UpdateShardCount{Name: "a", Target: 1, Limits: l})
	w.settle("a")
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	s := w.create("r", 1)
	up := func(h uint32) *SetRetention { return &SetRetention{Name: "r", Hours: h, MayIncrease: true} }
	down := func(h uint32) *SetRetention { return &SetRetention{Name: "r", Hours: h, MayDecrease: true} }
	for _, c := range []struct {
		c    *SetRetention
		want string
	}{
		{up(23), "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."},
		{up(8761), "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."},
		{down(25), "Requested retention period (25 hours) for stream r can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API."},
	} {
		if got := w.refused(c.c, stream.CodeInvalidArgument); got != c.want {
			t.Fatal(got)
		}
	}
	if a := w.must(up(24)).(*RetentionAnswer); a.Begun {
		t.Fatal("the same retention is no change")
	}
	w.ms += 30 * msPerHour
	if a := w.must(up(48)).(*RetentionAnswer); !a.Begun || a.Stream != s.ID {
		t.Fatalf("%+v", a)
	}
	if w.stream("r").Status != Updating {
		t.Fatal("not UPDATING")
	}
	w.refused(up(72), stream.CodeInUse)
	w.settle("r")
	s = w.stream("r")
	// What had expired under 24 hours does not come back under 48.
	if s.RetentionHours != 48 || s.HorizonMs(w.ms) != w.ms-24*msPerHour {
		t.Fatalf("retention %d, horizon %d hours ago", s.RetentionHours, (w.ms-s.HorizonMs(w.ms))/msPerHour)
	}
	if got := w.refused(up(24), stream.CodeInvalidArgument); !strings.Contains(got, "can not be shorter than existing retention period (48 hours). Use DecreaseRetentionPeriod API.") {
		t.Fatal(got)
	}
}

func TestForgetOnlyWhatExpired(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	s := w.create("f", 1)
	w.must(&SplitShard{Name: "f", Shard: 0, At: stream.HashKey{Hi: 1 << 60}, Groups: [2]uint32{1, 1}})
	w.settle("f")
	w.refused(&Forget{Stream: s.ID, Shards: []uint32{0}}, stream.CodeInvalidArgument)
	w.refused(&Forget{Stream: s.ID, Shards: []uint32{1}}, stream.CodeInvalidArgument)
	w.ms += 24*msPerHour + 1
	w.must(&Forget{Stream: s.ID, Shards: []uint32{0}})
	w.must(&Forget{Stream: s.ID, Shards: []uint32{0}}) // again after a crash
	if _, ok := w.stream("f").Shard(0); ok {
		t.Fatal("not forgotten")
	}
	for i := uint32(1); i <= 2; i++ {
		if sh, ok := w.stream("f").Shard(i); !ok || sh.ID.Index != i {
			t.Fatalf("shard %d is not found", i)
		}
	}
}

func TestSystem(t *testing.T) {
	w := newWorld(t)
	w.refused(&CreateStream{Name: "early", RetentionHours: 24, Groups: []uint32{1}}, stream.CodeInvalidArgument)
	w.init(2)
	w.must(&Init{Groups: 9}) // changes nothing
	if w.m.Founded() != 2 || w.m.Bootstrapped(1) || w.m.Cluster() != [16]byte{1} {
		t.Fatal("founded wrongly")
	}
	w.must(&GroupReady{Group: 1})
	w.refused(&GroupReady{Group: 3}, stream.CodeInvalidArgument)
	if !w.m.Bootstrapped(1) || w.m.Bootstrapped(2) {
		t.Fatal("group 1 is ready, group 2 is not")
	}
	first := w.m.Keyring()
	w.refused(&RotateKey{Key: stream.TokenKey{ID: 3}}, stream.CodeInvalidArgument)
	w.must(&RotateKey{Key: stream.TokenKey{ID: 2, Secret: [32]byte{9}}})
	if k := w.restore().Keyring(); k.Previous != first.Current || k.Current.ID != 2 {
		t.Fatalf("keys: %+v", k)
	}
}

// What several commands do in one batch is what they do one by one.
func TestBatchesApplyAlike(t *testing.T) {
	commands := []Command{
		&Init{Groups: 1},
		&CreateStream{Name: "x", RetentionHours: 24, Groups: []uint32{1, 1}},
		&CreateStream{Name: "y", RetentionHours: 24, Groups: []uint32{1}},
		&Opened{Stream: 1},
		&SplitShard{Name: "x", Shard: 1, At: stream.HashKey{Hi: 1<<63 + 1<<62}, Groups: [2]uint32{1, 1}},
		&DeleteStream{Name: "y"},
		&Removed{Stream: 2},
		&CreateStream{Name: "y", RetentionHours: 24, Groups: []uint32{1}},
		&Flip{Stream: 1, First: 2, Endings: []Ending{{Shard: 1, End: 7, ClosedMs: startMs}}},
		&Opened{Stream: 1, First: 2},
		&SplitShard{Name: "none"},
	}
	one := newWorld(t)
	for _, c := range commands {
		one.do(c)
	}
	for range 20 {
		other := newWorld(t)
		for rest := commands; len(rest) > 0; {
			n := 1 + rand.IntN(len(rest)) //nolint:gosec
			other.do(rest[:n]...)
			rest = rest[n:]
		}
		if !slices.EqualFunc(one.rows(), other.rows(), slices.Equal) {
			t.Fatal("another state")
		}
	}
}

func TestListStreams(t *testing.T) {
	w := newWorld(t)
	w.init(1)
	for _, n := range []string{"b", "d", "a", "c"} {
		w.create(n, 1)
	}
	var got []string
	after, more := "", true
	for more {
		var page []*Stream
		page, more = w.m.List(after, 3)
		for _, s := range page {
			got = append(got, s.Name)
			after = s.Name
		}
	}
	if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Fatal(got)
	}
}
