// Package node puts one node together: storage, the Raft groups above it, the
// broker, and the three servers in front. `runnel dev` runs it, and so do the
// tests of what survives a power cut, on a file system in memory.
//
// It makes no decision of its own and reads no flags. Listeners are handed in.
package node
