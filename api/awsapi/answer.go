package awsapi

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// answer writes the response of one request.
type answer struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	id        string
	operation string
	code      string
	begun     bool
}

// A client must accept an answer within writePatience and the time that bodyRate gives it.
const writePatience = 30 * time.Second

// begin makes the headers that every answer has. Names are spelt as the real service
// spells them, which HTTP/1.1 clients can see.
func begin(w http.ResponseWriter, r *http.Request) *answer {
	var random [16 + 64]byte
	_, _ = rand.Read(random[:]) // never fails
	a := &answer{w: w, control: http.NewResponseController(w), id: uuid([16]byte(random[:16]))}
	h := w.Header()
	h["x-amzn-RequestId"] = []string{a.id}
	h["x-amz-id-2"] = []string{base64.StdEncoding.EncodeToString(random[16:])}
	if r.Header.Get("Origin") != "" {
		h["Access-Control-Allow-Origin"] = []string{"*"}
		h["Access-Control-Expose-Headers"] = []string{exposed}
	}
	return a
}

const exposed = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"

func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

func (a *answer) begin(status int, media string, length int64) {
	a.begun = true
	// One deadline for all: a reader that takes a little now and then would hold the
	// answer's memory for ever. The error would be that the connection knows none.
	_ = a.control.SetWriteDeadline(time.Now().Add(writePatience + time.Duration(length)*time.Second/bodyRate))
	h := a.w.Header()
	if media != "" {
		h["Content-Type"] = []string{media}
	} else {
		h["Content-Type"] = nil // or it would be guessed
	}
	h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	a.w.WriteHeader(status)
}

// Write sends a piece of the body.
func (a *answer) Write(p []byte) (int, error) { return a.w.Write(p) }

func (a *answer) whole(status int, media string, body []byte) {
	a.begin(status, media, int64(len(body)))
	_, _ = a.Write(body) // whoever does not read it does not get it
}

// fail answers an error, unless the answer has begun.
func (a *answer) fail(e *Error) {
	a.failNaming(e, "message")
}

// failType answers that a value has the wrong type. Only there the service spells
// Message with a capital letter.
func (a *answer) failType(mismatch string) {
	a.failNaming(&Error{Code: CodeSerialization, Message: mismatch}, "Message")
}

func (a *answer) failNaming(e *Error, member string) {
	a.code = e.Code
	if a.begun {
		return
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.Code == "" { // not of the service but of what stands before it
		a.code = strconv.Itoa(status)
		a.begin(status, "", 0)
		return
	}
	a.w.Header()["x-amzn-ErrorType"] = []string{e.Code}
	a.whole(status, typeJSON11, message(e, member))
}

// preflight answers a browser that asks whether it may ask.
func (a *answer) preflight(r *http.Request) {
	h := a.w.Header()
	delete(h, "x-amz-id-2")
	h["Access-Control-Max-Age"] = []string{"172800"}
	for asked, granted := range map[string]string{
		"Access-Control-Request-Headers": "Access-Control-Allow-Headers",
		"Access-Control-Request-Method":  "Access-Control-Allow-Methods",
	} {
		if v := r.Header.Get(asked); v != "" {
			h[granted] = []string{v}
		}
	}
	a.begin(http.StatusOK, "", 0)
}

// undetermined answers a request that names no operation.
func (a *answer) undetermined() {
	a.code = CodeAccessDenied
	a.whole(http.StatusForbidden, "application/xml", []byte("<AccessDeniedException>\n  <Message>"+
		messageUndetermined+"</Message>\n</AccessDeniedException>\n"))
}

// unknownXML answers a request in a protocol that the service does not speak.
func (a *answer) unknownXML() {
	a.code = CodeUnknownOperation
	a.whole(http.StatusNotFound, "application/xml", []byte("<UnknownOperationException/>\n"))
}

// wrapped answers a request of type application/json, which is another protocol's.
func (a *answer) wrapped(syntax error) {
	a.code = CodeUnknownOperation
	status := http.StatusNotFound
	if syntax != nil {
		a.code, status = CodeSerialization, http.StatusBadRequest
	}
	a.whole(status, typeJSON, []byte(`{"Output":{"__type":"com.amazon.coral.service#`+a.code+`"},"Version":"1.0"}`))
}

// emptyBody answers a request without a body.
func (a *answer) emptyBody(asJSON, known bool) {
	e := &Error{Code: CodeUnknownOperation}
	if known {
		e.Code = CodeSerialization
	}
	if asJSON {
		a.fail(e)
		return
	}
	a.code = e.Code
	a.w.Header()["x-amzn-ErrorType"] = []string{e.Code}
	a.whole(http.StatusBadRequest, typeCBOR11, cborType(e.Code))
}

// cborType is the CBOR map {"__type": code}. Codes are shorter than 256 bytes.
func cborType(code string) []byte {
	b := append([]byte{0xbf, 0x66}, "__type"...)
	b = append(b, 0x78, byte(len(code)))
	return append(append(b, code...), 0xff)
}
