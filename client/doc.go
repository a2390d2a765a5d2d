// Package client is the Go library for Runnel: it creates streams, puts
// records, reads and subscribes, over gRPC.
//
// The zero configuration talks to a node on this machine:
//
//	c, err := client.New("")
//	if err != nil { ... }
//	defer c.Close()
//	err = c.CreateStream(ctx, "clicks", 4, 0)
//	_, err = c.WaitActive(ctx, "clicks")
//	seq, err := c.Put(ctx, "clicks", client.Record{PartitionKey: "user-7", Data: []byte("hello")})
//
// A Client may be used by any number of goroutines. Puts that are made at the
// same time share messages, so that many goroutines that each put one record
// and wait are cheap; one alone waits for nobody.
//
// Every error is a *stream.Error: Code says what happened, Retryable whether the
// same call may succeed later. Calls that were refused, and so certainly stored
// nothing, are retried with jitter within the deadline and a budget shared by
// the client. A put whose outcome is unknown (stream.CodeUnknownOutcome: the
// connection or the leader was lost before the answer) is returned to the caller,
// who may retry it and so may store it twice; WithRetryUnknown leaves that to the client.
//
// What it is not: it does not batch over time (package producer does), and it
// does not share shards between consumers.
package client
