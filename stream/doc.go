// Package stream is the vocabulary of Runnel: names, hash ranges, shards,
// records, blocks, sequence numbers, tokens, limits and the one catalogue of
// errors. It is pure: it imports the standard library only, reads no clock
// and touches no disk or network. It does not know where streams live.
package stream
