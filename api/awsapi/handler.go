package awsapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/runnel-io/runnel/api/awsapi/json11"
	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// callPatience bounds how long an operation may take once its request is read.
const callPatience = 30 * time.Second

// Config is what a Handler needs.
type Config struct {
	Services []Service
	Logger   *slog.Logger // nil: slog.Default()
	// BodyBudget is how many bytes of request bodies may be in memory at once, 0 for
	// 64 MiB, and never less than MaxBody. A request beyond it waits a second and is
	// then told to come again.
	BodyBudget int64
	// Observe, if set, is called after each request by its goroutine, with the operation
	// ("" if it has none) and the code of the error ("" if it has none).
	Observe func(operation, code string, elapsed time.Duration)
}

// Handler serves the operations of its services on every path. It may be used by any
// number of goroutines.
type Handler struct {
	operations map[string]*operation
	bodies     *bodies
	encoders   sync.Pool
	logger     *slog.Logger
	observe    func(operation, code string, elapsed time.Duration)
}

type operation struct {
	Operation
	namespace string
}

// New returns a Handler.
func New(cfg Config) *Handler {
	const defaultBudget = 64 << 20
	h := &Handler{
		operations: make(map[string]*operation),
		logger:     cfg.Logger,
		observe:    cfg.Observe,
		encoders:   sync.Pool{New: func() any { return json11.NewEncoder(nil, encoderBuffer) }},
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if cfg.BodyBudget == 0 {
		cfg.BodyBudget = defaultBudget
	}
	h.bodies = newBodies(cfg.BodyBudget)
	for _, s := range cfg.Services {
		for _, op := range s.Operations {
			h.operations[s.Target+"."+op.Name] = &operation{op, s.Namespace}
		}
	}
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	a := begin(w, r)
	defer func() {
		if p := recover(); p != nil {
			h.logger.Error("request panicked", "request", a.id, "operation", a.operation, "panic", p, "stack", string(debug.Stack()))
			a.fail(&Error{Code: CodeInternalFailure, Status: http.StatusInternalServerError})
		}
		if h.observe != nil {
			h.observe(a.operation, a.code, time.Since(begun))
		}
	}()
	h.serve(a, w, r)
}

// serve checks what can be checked without the body, in the order of the real service.
func (h *Handler) serve(a *answer, w http.ResponseWriter, r *http.Request) {
	switch {
	case r.ContentLength > MaxBody:
		a.fail(errTooLarge)
		return
	case r.Method == http.MethodOptions && r.Header.Get("Origin") != "":
		a.preflight(r)
		return
	case r.Method != http.MethodPost:
		a.undetermined()
		return
	}
	b, charged, fault := h.bodies.read(w, r)
	if fault != nil {
		a.fail(fault)
		return
	}
	lost := true // until the operation is known to have let go of the body
	defer func() { h.bodies.release(b, charged, lost) }()
	lost = h.dispatch(a, r, b)
}

const (
	typeJSON11 = "application/x-amz-json-1.1"
	typeCBOR11 = "application/x-amz-cbor-1.1"
	typeJSON   = "application/json"
)

// mediaType is the Content-Type without parameters. The real service compares it
// with them; there is nothing to gain from that.
func mediaType(r *http.Request) string {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// dispatch finds the operation and does it. It tells whether the body is still looked
// at by others.
func (h *Handler) dispatch(a *answer, r *http.Request, b *body) (held bool) {
	target := r.Header.Get("X-Amz-Target")
	op := h.operations[target]
	if op != nil {
		a.operation = op.Name
	}
	media := mediaType(r)
	switch {
	case len(b.buf) == 0:
		a.emptyBody(media == typeJSON11, op != nil)
	case media == typeJSON11:
		return h.call(a, r, b, op)
	case media == typeJSON:
		_, _, err := json11.Decode(b.buf, nil, nil)
		a.wrapped(err)
	case target == "":
		a.undetermined()
	default:
		a.unknownXML()
	}
	return false
}

// call decodes the body and does what it asks for.
func (h *Handler) call(a *answer, r *http.Request, b *body, op *operation) (held bool) {
	var input *shape.Shape
	if op != nil {
		input = op.Input
	}
	v, mismatch, err := json11.Decode(b.buf, input, &b.arena)
	switch {
	case err != nil:
		a.fail(&Error{Code: CodeSerialization})
		return false
	case op == nil:
		a.fail(&Error{Code: CodeUnknownOperation})
		return false
	}
	if fault := checkForm(r); fault != nil {
		a.fail(fault)
		return false
	}
	if mismatch != "" {
		a.failType(mismatch)
		return false
	}
	if message := shape.Validate(input, v, op.namespace); message != "" {
		a.fail(Validation(message))
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), callPatience)
	defer cancel()
	req := &Request{Struct: shape.StructOf(input, v)}
	defer req.finish()
	reply, err := op.Handle(ctx, req)
	if err != nil {
		h.fail(a, err)
		return req.held
	}
	h.send(a, reply)
	return req.held
}

// fail answers err, and logs what the caller is not told.
func (h *Handler) fail(a *answer, err error) {
	e := ErrorOf(err)
	if e.Status == http.StatusInternalServerError {
		h.logger.Error("request failed", "request", a.id, "operation", a.operation, "error", err)
	}
	a.fail(e)
}

// encoderBuffer is how long an answer is sent in one piece; a longer one is measured
// and then sent piece by piece, so that it never lies in memory as a whole.
const encoderBuffer = 64 << 10

func (h *Handler) send(a *answer, reply shape.Reply) {
	if reply == nil {
		a.begin(http.StatusOK, typeJSON11, 0)
		return
	}
	e := h.encoders.Get().(*json11.Encoder)
	defer h.encoders.Put(e)
	e.Measure()
	e.Encode(reply)
	if whole, ok := e.Whole(); ok {
		a.whole(http.StatusOK, typeJSON11, whole)
		return
	}
	a.begin(http.StatusOK, typeJSON11, e.Len())
	e.Stream(a)
	e.Encode(reply)
	if err := e.Flush(); err != nil {
		h.logger.Debug("answer not sent", "request", a.id, "operation", a.operation, "error", err)
	}
	e.Measure() // lets go of a
}

// message is the JSON of an error.
func message(e *Error, member string) []byte {
	enc := json11.NewEncoder(nil, 1<<20)
	enc.Encode(func(o shape.Out) {
		o.Text("__type", e.Code)
		if e.Message != "" {
			o.Text(member, e.Message)
		}
	})
	whole, _ := enc.Whole()
	return bytes.Clone(whole)
}
