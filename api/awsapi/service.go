// Package awsapi speaks the AWS JSON 1.1 protocol over HTTP/1.1 and clear-text
// HTTP/2: it finds the operation of a request, checks its form in the order in
// which AWS does, decodes and validates its input as the operation's
// description says, and writes answers and errors as SDKs expect them.
//
// What an operation does is written in the packages of the services, one small
// file each. This package holds no state of streams.
package awsapi

import (
	"context"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// Service is a set of operations that share a target prefix.
type Service struct {
	Target     string // before the dot of X-Amz-Target, e.g. Kinesis_20131202
	Namespace  string // the Java package in its error messages
	Operations []Operation
}

// Operation describes one operation and does it.
type Operation struct {
	Name   string
	Doc    string       // what it does, for the documentation
	Notes  []string     // what is different here from AWS
	Input  *shape.Shape // a structure
	Errors []string     // codes it answers beside the ones that all do

	// Handle does the work. An error is a *stream.Error, an *Error, or unexpected.
	// What it takes from the request must be copied, unless the request is held.
	Handle func(ctx context.Context, r *Request) (shape.Reply, error)
}

// Request is the decoded and validated input of an operation.
type Request struct {
	shape.Struct
	held bool
	sent []func()
}

// WhenSent has f called when the answer, whatever it is, has been sent or cannot be.
func (r *Request) WhenSent(f func()) { r.sent = append(r.sent, f) }

func (r *Request) finish() {
	for _, f := range r.sent {
		f()
	}
}

// Hold keeps the memory that the input lies in from being reused by another
// request, until Release. An operation that hands views of its input to others holds
// it, and does not release it unless it knows that nobody looks at them any more.
func (r *Request) Hold() { r.held = true }

// Release undoes Hold.
func (r *Request) Release() { r.held = false }
