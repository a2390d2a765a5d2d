// Package producer puts many records into one stream: asynchronously, in
// batches, with back-pressure, and in order per partition key.
//
// Keys are dealt over a few lanes by their hash. A lane sends one batch at a
// time and tries what was refused again before it sends anything later, so
// records of one key are stored in the order in which they were put, through
// throttling and reshards. While a batch is under way the next one gathers:
// there is no timer, no added latency when idle, and large batches under load.
//
// A batch whose outcome is unknown is sent again, so its records may be stored
// twice; between the copies of one record only records of the same batch stand.
package producer
