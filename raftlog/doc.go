// Package raftlog is the only door to hashicorp/raft: a Host runs all Raft
// groups of a node, a Group takes proposals and tells who leads, and a
// StateMachine makes state of what is committed. It keeps the rules under
// which that library is safe. It knows entries and rows; what a stream or a
// shard is, is said above it.
//
// An entry is a command and rows. Appending an entry to the log stores its
// rows at their final keys, in the same synced batch as a small header: the
// log is the store, and nothing is written twice. The rows are read by nobody
// until the state machine has applied the entry.
//
// A single voter needs no network: without a Transport in the Config, groups
// talk to nobody and elect themselves.
package raftlog
