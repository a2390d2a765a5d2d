// Package placement decides which group holds a new shard. Its functions are
// pure: they see loads and answer groups, and know neither nodes nor logs.
package placement
