//go:build runnel_nosync

package storage

// noSync makes every sync a lie. A build with it must fail the fault tests:
// that proves that they would notice a lost sync.
const noSync = true
