// Package arch keeps the shape of the house: which room may import which,
// how packages are named, and what no package may do. It holds rules and
// their reasons only; its tests run them over the whole module.
package arch

import "strings"

const self = "github.com/runnel-io/runnel/"

// A rule forbids some packages some imports.
type rule struct {
	name    string
	why     string
	applies func(pkg string) bool // pkg is relative to the module
	allows  func(imp string) bool // imp is a full import path
	planted planted               // a violation, for the test of the rule
	inTests bool                  // the rule binds tests too
}

type planted struct{ in, imports string }

// under tells whether pkg is one of the trees or below it.
func under(pkg string, trees ...string) bool {
	for _, t := range trees {
		if pkg == t || strings.HasPrefix(pkg, t+"/") {
			return true
		}
	}
	return false
}

func ours(imp string) (string, bool) { return strings.CutPrefix(imp, self) }

func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// testOnly are libraries that any test may use.
func testOnly(imp string) bool {
	return imp == "pgregory.net/rapid" || imp == "go.uber.org/goleak" || imp == "github.com/cockroachdb/datadriven"
}

var stateMachines = map[string]bool{"broker/metadata": true, "broker/shardlog": true}

var rules = []rule{
	{
		name:    "pure packages",
		inTests: true,
		why:     "the vocabulary and the pure decisions depend on nothing but the standard library and stream",
		applies: func(p string) bool { return under(p, "stream", "storage/key", "broker/placement", "broker/quota") },
		allows: func(imp string) bool {
			o, mine := ours(imp)
			if mine {
				return under(o, "stream", "storage/key", "broker/placement", "broker/quota")
			}
			return standard(imp) || testOnly(imp)
		},
		planted: planted{"stream", self + "storage"},
	},
	{
		name:    "one door to consensus",
		inTests: true,
		why:     "only raftlog knows hashicorp/raft and its rules",
		applies: func(p string) bool { return !under(p, "raftlog") },
		allows:  func(imp string) bool { return !strings.HasPrefix(imp, "github.com/hashicorp/") },
		planted: planted{"broker", "github.com/hashicorp/raft"},
	},
	{
		name:    "one door to Pebble",
		inTests: true,
		why:     "only storage knows Pebble and its rules",
		applies: func(p string) bool { return !under(p, "storage") },
		allows:  func(imp string) bool { return !strings.HasPrefix(imp, "github.com/cockroachdb/pebble") },
		planted: planted{"raftlog/logstore", "github.com/cockroachdb/pebble/v2"},
	},
	{
		name:    "storage and raftlog know no streams",
		inTests: true,
		why:     "they move entries and rows; what a shard is, is said above them",
		applies: func(p string) bool { return p == "storage" || under(p, "raftlog") },
		allows: func(imp string) bool {
			o, mine := ours(imp)
			return !mine || !under(o, "stream", "broker", "api", "client", "delivery")
		},
		planted: planted{"raftlog", self + "stream"},
	},
	{
		name:    "nothing below api knows its errors",
		why:     "there is one error catalogue; status codes and AWS errors are made at the edge",
		applies: func(p string) bool { return under(p, "stream", "storage", "raftlog", "broker") },
		allows: func(imp string) bool {
			o, mine := ours(imp)
			if mine {
				return !under(o, "api", "client", "cmd", "proto/runnel")
			}
			return !strings.HasPrefix(imp, "google.golang.org/grpc") && !strings.HasPrefix(imp, "github.com/aws/")
		},
		planted: planted{"broker", "google.golang.org/grpc/status"},
	},
	{
		name:    "users come through the client",
		why:     "delivery and bench are users like any other",
		applies: func(p string) bool { return under(p, "delivery", "bench") },
		allows: func(imp string) bool {
			o, mine := ours(imp)
			return !mine || !under(o, "storage", "raftlog", "broker", "api")
		},
		planted: planted{"bench/onenode", self + "broker"},
	},
	{
		name:    "the client knows no server",
		why:     "people import it into their programs",
		applies: func(p string) bool { return under(p, "client") },
		allows: func(imp string) bool {
			o, mine := ours(imp)
			return !mine || under(o, "client", "stream", "proto/runnel")
		},
		planted: planted{"client", self + "broker"},
	},
	{
		name:    "flags belong to cmd",
		why:     "only cmd and internal/config read flags; a library that does cannot be embedded",
		applies: func(p string) bool { return !under(p, "cmd", "internal/config", "bench", "test", "demo") },
		allows:  func(imp string) bool { return imp != "flag" && imp != "github.com/spf13/cobra" },
		planted: planted{"broker", "flag"},
	},
}
