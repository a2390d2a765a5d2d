// Package grpcapi serves the services of runnel.v1 from a broker: it decodes,
// checks form and limits, calls, and encodes. It decides nothing about streams and
// stores nothing. Errors of the broker leave as gRPC statuses with the code of the
// catalogue in their details (proto/runnel/wire); blocks leave as they are stored.
//
// Memory: what a request holds beside its message is bounded by the broker's
// budget of bytes in flight. A subscriber that does not read holds at most one
// message; one without credit holds nothing.
package grpcapi
