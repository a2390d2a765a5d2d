// Command onenode measures one node and holds the figures against the goals of
// the project: it starts the real program, `runnel dev` with quotas off, and
// loads it through package client from the same machine. Every figure is taken
// with random payloads and distinct keys, and every acknowledged record was
// synced. What it prints is the table of docs/benchmarks.md.
//
// It reads the node's memory and disk traffic from /proc, so it needs Linux. It
// asserts nothing: a goal that was missed is a row that says so.
package main
