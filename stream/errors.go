package stream

import (
	"errors"
	"fmt"
)

// A Code is the kind of an error: what a program branches on.
type Code uint8

// The catalogue. Edges map it to their protocols; nothing below them knows
// other kinds.
const (
	CodeInternal           Code = iota // a fault of ours
	CodeInvalidArgument                // the request makes no sense for the state it meets
	CodeValidation                     // the request breaks a limit or pattern
	CodeNotFound                       // no such stream or shard
	CodeInUse                          // exists already, or is in a state that forbids the call
	CodeLimitExceeded                  // an account limit or a control-plane rate
	CodeThroughputExceeded             // a shard's quota
	CodeExpiredIterator                // older than five minutes
	CodeExpiredToken                   // page token older than five minutes
	CodeUnavailable                    // no leader, closing: certainly not stored
	CodeUnknownOutcome                 // may have been stored
	CodeOverloaded                     // a memory or queue budget is used up: certainly not stored
	CodeDiskFull                       // below the disk reserve: certainly not stored
	CodeAccessDenied                   // the caller may not
	CodeCorrupt                        // damage on disk was found: the data is not served
)

var codeNames = [...]string{
	CodeInternal: "Internal", CodeInvalidArgument: "InvalidArgument", CodeValidation: "Validation",
	CodeNotFound: "NotFound", CodeInUse: "InUse", CodeLimitExceeded: "LimitExceeded",
	CodeThroughputExceeded: "ThroughputExceeded", CodeExpiredIterator: "ExpiredIterator",
	CodeExpiredToken: "ExpiredToken", CodeUnavailable: "Unavailable", CodeUnknownOutcome: "UnknownOutcome",
	CodeOverloaded: "Overloaded", CodeDiskFull: "DiskFull", CodeAccessDenied: "AccessDenied", CodeCorrupt: "Corrupt",
}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint8(c))
}

// Retryable tells whether the same request may succeed later. After
// CodeUnknownOutcome a retry may store a record twice.
func (c Code) Retryable() bool {
	switch c {
	case CodeLimitExceeded, CodeThroughputExceeded, CodeUnavailable, CodeUnknownOutcome, CodeOverloaded, CodeDiskFull:
		return true
	default:
		return false
	}
}

// Error is the only error type that crosses an API.
type Error struct {
	Code    Code
	Message string // for people; part of the Kinesis API where that defines it
	Err     error  // the cause, may be nil; never shown to a remote caller
	told    bool   // Message tells the cause already
}

// Error is the message and the cause.
func (e *Error) Error() string {
	if e.Err != nil && !e.told {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Is matches by code, so that errors.Is(err, &Error{Code: c}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Retryable is that of the code.
func (e *Error) Retryable() bool { return e.Code.Retryable() }

// Errorf makes an Error as fmt.Errorf would. What %w wraps becomes the cause and
// is part of Message, so it must be fit to be shown; see Wrap.
func Errorf(c Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: c, Message: err.Error()}
	switch err.(type) {
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		e.Err, e.told = err, true
	}
	return e
}

// Wrap makes an Error whose cause stays matchable.
func Wrap(c Code, cause error, message string) *Error {
	return &Error{Code: c, Message: message, Err: cause}
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal if
// there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
