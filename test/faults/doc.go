// Package faults breaks real `runnel dev` processes and checks with the log
// checker that they keep their promises: kill -9 under load, a file system that
// loses what was not synced, flipped bits, a full disk, a second process. Its
// tests have the build tag faults; `make faults` runs them at a size for every
// change, `make torture` at full size. docs/reliability.md says what they prove.
//
// They need Linux, and root for their file systems.
package faults
