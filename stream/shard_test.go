package stream

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestShardNames(t *testing.T) {
	if got := ShardName(3); got != "shardId-000000000003" {
		t.Errorf("shard 3 is %s", got)
	}
	for _, name := range []string{"shardId-000000000003", "shard-3", "3", "shardId-0003", "-3"} {
		if i, err := ParseShardName(name); i != 3 || err != nil {
			t.Errorf("%q is shard %d, %v", name, i, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Uint32Range(0, 1<<31-1).Draw(t, "index")
		if got, err := ParseShardName(ShardID{Index: want}.Name()); got != want || err != nil {
			t.Fatalf("shard %d reads as %d, %v", want, got, err)
		}
	})
}

func TestShardNamesRefused(t *testing.T) {
	for _, name := range []string{
		"", "shardId-", "-", "x", "shardId-x", "shardId--1", "shardId-+1", "shardId-1-2", "shardId-0x1", "shardId-1_0",
		"shardId-2147483648", "shardId-99999999999999999999999", strings.Repeat("9", 1<<16), "shardId-٣",
	} {
		if i, err := ParseShardName(name); CodeOf(err) != CodeNotFound {
			t.Errorf("%.50q is shard %d, %v", name, i, err)
		}
	}
}

func FuzzParseShardName(f *testing.F) {
	f.Add("shardId-000000000003")
	f.Add("7")
	f.Fuzz(func(t *testing.T, name string) {
		i, err := ParseShardName(name)
		if err != nil {
			return
		}
		if again, err := ParseShardName(ShardName(i)); err != nil || again != i {
			t.Errorf("%q is shard %d, whose name is shard %d, %v", name, i, again, err)
		}
	})
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "metrics_stream", "A-b.c_9", strings.Repeat("x", 128)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 129), "a b", "ä", "a/b", "a\x00", "a:b"} {
		if err := CheckName(name); err == nil {
			t.Errorf("%.50q may name a stream", name)
		}
	}
}
