// Package logstore keeps the logs, terms and votes of Raft groups on disk.
//
// For most groups the log is the store: an entry's rows lie at their final keys
// in the node's store from the moment the entry is appended, and beside them a
// small header row with term, command and the checksums of the rows, all in one
// synced batch. Reading an entry puts it together again and checks it. Cutting
// an unapplied suffix removes the rows with the headers; forgetting an applied
// prefix removes headers only. The metadata group has a file of its own, kept
// by raft-boltdb, in which entries are whole.
//
// Around both lies what is common: the order of indexes, the watermark (a small
// file that says how far the log was known to reach, so that a lost tail is
// noticed), and the rule that a write which failed once is never tried again.
//
// The package knows nothing of state machines but how far they have applied.
package logstore
