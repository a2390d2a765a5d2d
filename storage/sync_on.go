//go:build !runnel_nosync

package storage

// noSync is true only in the build that the fault tests must catch.
const noSync = false
