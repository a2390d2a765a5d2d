// Package inspect looks at the data directory of a stopped node: which
// segments, shards and positions it holds, how large they are, and whether
// every byte of them is what was written. It reads only, and takes the lock of
// the directory so that no node runs meanwhile.
//
// It repairs nothing, and it does not play the log: entries that a node had
// stored but not yet applied are counted as such, not judged.
package inspect
