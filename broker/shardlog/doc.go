// Package shardlog is the state machine of a data group: what an entry of the
// group's log does to its shards, and how their records are read back.
//
// A block (the records of one shard in one entry) is written by the append to
// the log itself, at its final key. Apply therefore moves no payload: it
// checks each block, advances small state (next position, group time, the
// shards, the segments) and deletes the blocks that it refuses.
//
// It does not propose anything (package coalesce does), knows no metadata, no
// hash keys and no quotas, and reads neither clock nor randomness: time comes
// in the command. Formats are drawn in docs/format/shardlog.md.
//
// One goroutine (raftlog's) calls Restore, ApplyBatch and Published. All other
// methods of Machine may be called by any goroutine; they see what was
// published, never more.
package shardlog
