// Package wire is how messages of runnel.v1 become bytes at both ends of a
// connection: a gRPC codec whose output is plain protobuf, and the mapping of
// the error catalogue to gRPC statuses. The messages that carry records (put
// batches, their answers, blocks) are coded by hand, so that a record costs one
// copy and no allocation; everything else goes through the protobuf library.
// What they mean is said in runnel/v1.
package wire
