// Package feed turns lines of text into records and sends them, for
// `runnel put`: it reads lines within limits, finds each one's partition key,
// hands the records to a producer, and knows at every moment up to which line
// everything is stored.
//
// It does not batch and does not retry: the producer does.
package feed
