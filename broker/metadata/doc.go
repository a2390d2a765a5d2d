// Package metadata is the state machine of the metadata group: which streams
// there are, how their shards tile the hash space, which group holds each
// shard, and what is to be done next. The broker's reconciler does it and says
// so in further commands.
//
// It decides every question about names, limits and states, because only Apply
// sees them one after the other. It stores no record, reaches no data group,
// and reads neither clock nor randomness: time and secrets come in the command.
//
// One goroutine (raftlog's) calls Restore, ApplyBatch and Published. All other
// methods of Machine may be called by any goroutine; they see what was
// published. Values that they return are immutable. Formats are drawn in
// docs/format/metadata.md.
package metadata
