package awsapi

import (
	"errors"
	"net/http"

	"github.com/runnel-io/runnel/stream"
)

// Error is an answer of this protocol that says no.
type Error struct {
	Code    string
	Message string // may be empty
	Status  int    // of HTTP; 0 is 400
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Codes of errors, as SDKs know them.
const (
	CodeAccessDenied          = "AccessDeniedException"
	CodeDryRun                = "DryRunOperationException"
	CodeExpiredIterator       = "ExpiredIteratorException"
	CodeExpiredNextToken      = "ExpiredNextTokenException"
	CodeInternalFailure       = "InternalFailure"
	CodeInvalidArgument       = "InvalidArgumentException"
	CodeLimitExceeded         = "LimitExceededException"
	CodeResourceInUse         = "ResourceInUseException"
	CodeResourceNotFound      = "ResourceNotFoundException"
	CodeSerialization         = "SerializationException"
	CodeServiceUnavailable    = "ServiceUnavailable"
	CodeThroughputExceeded    = "ProvisionedThroughputExceededException"
	CodeUnknownOperation      = "UnknownOperationException"
	CodeValidation            = "ValidationException"
	codeMissingToken          = "MissingAuthenticationTokenException"
	codeIncompleteSignature   = "IncompleteSignatureException"
	codeInvalidSignature      = "InvalidSignatureException"
	messageInternal           = "Internal Service Failure"
	messageMissingToken       = "Missing Authentication Token"
	messageUndetermined       = "Unable to determine service/operation name to be authorized"
	messageTooBusy            = "The node has too many requests in flight. Try again."
	messageBodyTooSlow        = "The request body did not arrive in time."
	messageBodyCutShort       = "The request body ended before its length."
	messageTwoAuthentications = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
)

// InvalidArgument is the InvalidArgumentException with a message.
func InvalidArgument(message string) *Error {
	return &Error{Code: CodeInvalidArgument, Message: message}
}

// Validation is the ValidationException with a message.
func Validation(message string) *Error { return &Error{Code: CodeValidation, Message: message} }

// DryRun tells that a request would have succeeded.
func DryRun() *Error {
	return &Error{Code: CodeDryRun, Message: "Request would have succeeded, but DryRun flag is set."}
}

// codes maps the catalogue of errors to this protocol. What may be tried again
// is either a throttle that SDKs know or a 5xx.
var codes = map[stream.Code]Error{
	stream.CodeInvalidArgument:    {Code: CodeInvalidArgument},
	stream.CodeValidation:         {Code: CodeValidation},
	stream.CodeNotFound:           {Code: CodeResourceNotFound},
	stream.CodeInUse:              {Code: CodeResourceInUse},
	stream.CodeLimitExceeded:      {Code: CodeLimitExceeded},
	stream.CodeThroughputExceeded: {Code: CodeThroughputExceeded},
	stream.CodeExpiredIterator:    {Code: CodeExpiredIterator},
	stream.CodeExpiredToken:       {Code: CodeExpiredNextToken},
	stream.CodeAccessDenied:       {Code: CodeAccessDenied},
	stream.CodeUnavailable:        {Code: CodeServiceUnavailable, Status: http.StatusServiceUnavailable},
	stream.CodeOverloaded:         {Code: CodeServiceUnavailable, Status: http.StatusServiceUnavailable},
	stream.CodeDiskFull:           {Code: CodeServiceUnavailable, Status: http.StatusServiceUnavailable},
	stream.CodeUnknownOutcome:     {Code: CodeInternalFailure, Status: http.StatusInternalServerError},
	stream.CodeCorrupt:            {Code: CodeInternalFailure, Status: http.StatusInternalServerError},
}

// ErrorOf is err in this protocol. An error outside the catalogue is an internal
// failure that says nothing of itself.
func ErrorOf(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var known *stream.Error
	if errors.As(err, &known) {
		if e, ok := codes[known.Code]; ok {
			e.Message = known.Message
			return &e
		}
	}
	return &Error{Code: CodeInternalFailure, Status: http.StatusInternalServerError}
}

// EntryError is what PutRecords says of one record that was not stored.
func EntryError(err error) (code, message string) {
	if e := ErrorOf(err); e.Code == CodeThroughputExceeded {
		return e.Code, e.Message
	}
	return CodeInternalFailure, messageInternal
}
