// Package broker is the core of a node: it owns the node's groups, routes
// records to shards and shards to groups, charges quotas, serves reads and
// subscriptions, and drives streams to the state that was asked for.
//
// It answers every refusal with a *stream.Error; api maps these at its edge. It
// knows no wire format of the API, no HTTP and no gRPC.
//
// All methods of Broker may be called by any goroutine.
package broker
