package wire

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/stream"
)

// kinds is the whole mapping: one row a code.
var kinds = []struct {
	code stream.Code
	wire runnelv1.ErrorCode
	grpc codes.Code
}{
	{stream.CodeInternal, runnelv1.ErrorCode_ERROR_CODE_INTERNAL, codes.Internal},
	{stream.CodeInvalidArgument, runnelv1.ErrorCode_ERROR_CODE_INVALID_ARGUMENT, codes.InvalidArgument},
	{stream.CodeValidation, runnelv1.ErrorCode_ERROR_CODE_VALIDATION, codes.InvalidArgument},
	{stream.CodeNotFound, runnelv1.ErrorCode_ERROR_CODE_NOT_FOUND, codes.NotFound},
	{stream.CodeInUse, runnelv1.ErrorCode_ERROR_CODE_IN_USE, codes.FailedPrecondition},
	{stream.CodeLimitExceeded, runnelv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, codes.ResourceExhausted},
	{stream.CodeThroughputExceeded, runnelv1.ErrorCode_ERROR_CODE_THROUGHPUT_EXCEEDED, codes.ResourceExhausted},
	{stream.CodeExpiredIterator, runnelv1.ErrorCode_ERROR_CODE_EXPIRED_ITERATOR, codes.FailedPrecondition},
	{stream.CodeExpiredToken, runnelv1.ErrorCode_ERROR_CODE_EXPIRED_TOKEN, codes.FailedPrecondition},
	{stream.CodeUnavailable, runnelv1.ErrorCode_ERROR_CODE_UNAVAILABLE, codes.Unavailable},
	{stream.CodeUnknownOutcome, runnelv1.ErrorCode_ERROR_CODE_UNKNOWN_OUTCOME, codes.Aborted},
	{stream.CodeOverloaded, runnelv1.ErrorCode_ERROR_CODE_OVERLOADED, codes.Unavailable},
	{stream.CodeDiskFull, runnelv1.ErrorCode_ERROR_CODE_DISK_FULL, codes.Unavailable},
	{stream.CodeAccessDenied, runnelv1.ErrorCode_ERROR_CODE_ACCESS_DENIED, codes.PermissionDenied},
	{stream.CodeCorrupt, runnelv1.ErrorCode_ERROR_CODE_CORRUPT, codes.DataLoss},
}

// FromError is err as a message. The cause of a *stream.Error stays at home; an
// error that is none becomes internal.
func FromError(err error) *runnelv1.Error {
	code, text := catalogued(err)
	out := &runnelv1.Error{Code: runnelv1.ErrorCode_ERROR_CODE_INTERNAL, Message: text, Retryable: code.Retryable()}
	for _, k := range kinds {
		if k.code == code {
			out.Code = k.wire
		}
	}
	return out
}

func catalogued(err error) (stream.Code, string) {
	var e *stream.Error
	switch {
	case errors.As(err, &e):
		return e.Code, e.Message
	case errors.Is(err, context.Canceled):
		return stream.CodeUnavailable, "the call was cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return stream.CodeUnavailable, "the deadline of the call passed"
	default:
		return stream.CodeInternal, "internal error"
	}
}

// ToError is the *stream.Error that a message tells of. A code of a newer server
// becomes unavailable if it is retryable, else internal.
func ToError(m *runnelv1.Error) *stream.Error {
	for _, k := range kinds {
		if k.wire == m.GetCode() {
			return &stream.Error{Code: k.code, Message: m.GetMessage()}
		}
	}
	code := stream.CodeInternal
	if m.GetRetryable() {
		code = stream.CodeUnavailable
	}
	return &stream.Error{Code: code, Message: m.GetMessage()}
}

// Status is err as a gRPC status error with an Error in its details. Statuses
// pass unchanged, nil stays nil.
func Status(err error) error {
	if err == nil {
		return nil
	}
	var e *stream.Error
	if _, is := status.FromError(err); is && !errors.As(err, &e) {
		return err
	}
	m := FromError(err)
	st, derr := status.New(grpcCode(err, m.GetCode()), m.GetMessage()).WithDetails(m)
	if derr != nil {
		return status.Error(codes.Internal, m.GetMessage())
	}
	return st.Err()
}

func grpcCode(err error, code runnelv1.ErrorCode) codes.Code {
	var e *stream.Error
	if !errors.As(err, &e) {
		switch {
		case errors.Is(err, context.Canceled):
			return codes.Canceled
		case errors.Is(err, context.DeadlineExceeded):
			return codes.DeadlineExceeded
		}
	}
	for _, k := range kinds {
		if k.wire == code {
			return k.grpc
		}
	}
	return codes.Internal
}

// FromStatus is the *stream.Error behind an error of a gRPC call. A status
// without details comes from the connection, not from a server of ours: its
// outcome is told as a failure to reach the server. context errors stay matchable.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	var e *stream.Error
	if errors.As(err, &e) {
		return e
	}
	st, ok := status.FromError(err)
	if !ok {
		return contextual(err)
	}
	for _, d := range st.Details() {
		if m, ok := d.(*runnelv1.Error); ok {
			return ToError(m)
		}
	}
	return &stream.Error{Code: bare(st.Code()), Message: st.Message(), Err: cause(st.Code())}
}

func contextual(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &stream.Error{Code: stream.CodeUnavailable, Message: "the call was given up", Err: err}
	}
	return &stream.Error{Code: stream.CodeUnavailable, Message: "the connection failed", Err: err}
}

func cause(c codes.Code) error {
	switch c {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	}
	return nil
}

// bare maps what grpc itself answers.
func bare(c codes.Code) stream.Code {
	switch c {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.OutOfRange:
		return stream.CodeValidation // a message over the size limit, for example
	case codes.NotFound:
		return stream.CodeNotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		return stream.CodeAccessDenied
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
		return stream.CodeUnavailable
	case codes.DataLoss:
		return stream.CodeCorrupt
	}
	return stream.CodeInternal
}
