// Package checker finds out whether a log kept its promises: it is told of
// every put (what, when begun, when and how answered) and of what readers were
// served shard by shard, and names every record that was lost, moved, reordered,
// duplicated, changed or invented.
//
// Each put has a payload of its own, made by Begin, from which a served record
// is recognised. The check takes time linear in puts and records. It knows
// nothing of how records are put or read: load generators and fault tests do
// that and tell it.
package checker
