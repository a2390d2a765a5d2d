package awsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/stream"
)

// echo answers what it is told to.
func echo(handle func(ctx context.Context, r *Request) (shape.Reply, error)) Service {
	text := &shape.Shape{Kind: shape.String, Bounds: shape.Between(1, 10)}
	return Service{
		Target: "Test_20131202", Namespace: "com.example",
		Operations: []Operation{{
			Name: "Echo",
			Input: &shape.Shape{Kind: shape.Structure, Name: "EchoInput", Members: []shape.Member{
				{Name: "Text", Shape: text, Required: true},
				{Name: "Count", Shape: &shape.Shape{Kind: shape.Integer, Bounds: shape.Between(1, 5)}},
			}},
			Handle: handle,
		}},
	}
}

func reply(_ context.Context, r *Request) (shape.Reply, error) {
	text := r.Text("Text")
	return func(o shape.Out) { o.Text("Text", text) }, nil
}

func handler(handle func(ctx context.Context, r *Request) (shape.Reply, error)) *Handler {
	return New(Config{Services: []Service{echo(handle)}, Logger: slog.New(slog.DiscardHandler)})
}

const signed = "AWS4-HMAC-SHA256 Credential=AKID/20261104/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"

type header = map[string]string

func request(method, target, body string, extra header) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	h := header{
		"Content-Type": typeJSON11, "X-Amz-Target": "Test_20131202." + target,
		"Authorization": signed, "X-Amz-Date": "20261104T000000Z",
	}
	for k, v := range extra {
		h[k] = v
	}
	for k, v := range h {
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const fine = `{"Text":"hello"}`

// TestOrderOfChecks follows the numbered list of the reference: each request is wrong in
// several ways, and the first counts.
func TestOrderOfChecks(t *testing.T) {
	const (
		denied  = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
		missing = `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`
	)
	cases := []struct {
		name   string
		method string
		target string
		body   string
		extra  header
		status int
		want   string
	}{
		{"not POST", "GET", "Echo", "", nil, 403, denied},
		{"OPTIONS without origin", "OPTIONS", "Echo", "", nil, 403, denied},
		{"empty", "POST", "Echo", "", header{"Authorization": ""}, 400, `{"__type":"SerializationException"}`},
		{"empty, unknown", "POST", "Nothing", "", nil, 400, `{"__type":"UnknownOperationException"}`},
		{"empty, no type", "POST", "Echo", "", header{"Content-Type": ""}, 400, "\xbf\x66__type\x78\x16SerializationException\xff"},
		{"foreign type, no target", "POST", "", "x", header{"Content-Type": "text/plain", "X-Amz-Target": ""}, 403, denied},
		{"foreign type", "POST", "Echo", fine, header{"Content-Type": "text/plain"}, 404, "<UnknownOperationException/>\n"},
		{"other JSON", "POST", "Echo", fine, header{"Content-Type": typeJSON}, 404, `{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`},
		{"other JSON, malformed", "POST", "Echo", "{", header{"Content-Type": typeJSON}, 400, `{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}`},
		{"malformed, unknown, unsigned", "POST", "Nothing", "{", header{"Authorization": ""}, 400, `{"__type":"SerializationException"}`},
		{"unknown, unsigned", "POST", "Nothing", "{}", header{"Authorization": ""}, 400, `{"__type":"UnknownOperationException"}`},
		{"unknown case", "POST", "echo", "{}", nil, 400, `{"__type":"UnknownOperationException"}`},
		{"unsigned, mistyped", "POST", "Echo", `{"Text":1}`, header{"Authorization": ""}, 400, missing},
		{"basic", "POST", "Echo", fine, header{"Authorization": "Basic eDp5"}, 400, missing},
		{
			"mistyped, invalid", "POST", "Echo", `{"Count":9,"Text":1}`, nil, 400,
			`{"__type":"SerializationException","Message":"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"}`,
		},
		{
			"invalid", "POST", "Echo", `{"Count":9}`, nil, 400,
			`{"__type":"ValidationException","message":"2 validation errors detected: Value null at 'text' failed to satisfy constraint: Member must not be null; ` +
				`Value '9' at 'count' failed to satisfy constraint: Member must have value less than or equal to 5"}`,
		},
		{"fine", "POST", "Echo", fine, nil, 200, fine},
		{"fine with charset", "POST", "Echo", fine, header{"Content-Type": "Application/X-Amz-JSON-1.1; charset=utf-8"}, 200, fine},
	}
	h := handler(reply)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := serve(h, request(c.method, c.target, c.body, c.extra))
			if w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("%d %q\nwant %d %q", w.Code, w.Body, c.status, c.want)
			}
			checkHeaders(t, w)
		})
	}
}

var (
	requestID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	extended  = regexp.MustCompile(`^[A-Za-z0-9+/]{86}==$`)
)

func raw(w *httptest.ResponseRecorder, name string) string {
	return strings.Join(w.Header()[name], ",")
}

func checkHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if id := raw(w, "x-amzn-RequestId"); !requestID.MatchString(id) {
		t.Errorf("request id %q", id)
	}
	if id := raw(w, "x-amz-id-2"); !extended.MatchString(id) {
		t.Errorf("extended id %q", id)
	}
	if got := raw(w, "Content-Length"); got != fmt.Sprint(w.Body.Len()) {
		t.Errorf("Content-Length %s of %d bytes", got, w.Body.Len())
	}
}

func TestAuthentication(t *testing.T) {
	const rest = "Authorization="
	query := "X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Signature=S&X-Amz-SignedHeaders=H&X-Amz-Date=D"
	cases := []struct {
		name  string
		query string
		extra header
		code  string
		text  string
	}{
		{"header", "", nil, "", ""},
		{"query", query, header{"Authorization": ""}, "", ""},
		{"both", query, nil, "InvalidSignatureException", messageTwoAuthentications},
		{
			"query incomplete", "X-Amz-Algorithm=A&X-Amz-Date=D",
			header{"Authorization": ""},
			"IncompleteSignatureException",
			"AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. " +
				"AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
		},
		{
			"header incomplete", "",
			header{"Authorization": "AWS4-HMAC-SHA256 Signature=b", "X-Amz-Date": ""},
			"IncompleteSignatureException",
			"Authorization header requires 'Credential' parameter. Authorization header requires 'SignedHeaders' parameter. " +
				"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " + rest + "AWS4-HMAC-SHA256 Signature=b",
		},
		{"date instead", "", header{"X-Amz-Date": "", "Date": "Wed, 04 Nov 2026 00:00:00 GMT"}, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := request("POST", "Echo", fine, c.extra)
			r.URL.RawQuery = c.query
			w := serve(handler(reply), r)
			var got struct{ Type, Message string }
			body := strings.Replace(w.Body.String(), "__type", "Type", 1)
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if got.Type != c.code || got.Message != c.text || raw(w, "x-amzn-ErrorType") != c.code {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	h := handler(reply)
	w := serve(h, request("OPTIONS", "Echo", "", header{
		"Origin": "http://app", "Access-Control-Request-Headers": "x-amz-target", "Access-Control-Request-Method": "POST",
	}))
	if w.Code != 200 || w.Body.Len() != 0 || raw(w, "Content-Length") != "0" || raw(w, "x-amz-id-2") != "" ||
		raw(w, "Access-Control-Max-Age") != "172800" || raw(w, "Access-Control-Allow-Headers") != "x-amz-target" ||
		raw(w, "Access-Control-Allow-Methods") != "POST" || raw(w, "Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = serve(h, request("POST", "Echo", fine, header{"Origin": "http://app"}))
	if w.Code != 200 || raw(w, "Access-Control-Allow-Origin") != "*" || raw(w, "Access-Control-Expose-Headers") != exposed {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestErrorsOfOperations(t *testing.T) {
	cases := []struct {
		err    error
		status int
		want   string
	}{
		{stream.Errorf(stream.CodeNotFound, "none"), 400, `{"__type":"ResourceNotFoundException","message":"none"}`},
		{fmt.Errorf("wrapped: %w", stream.Errorf(stream.CodeInUse, "busy")), 400, `{"__type":"ResourceInUseException","message":"busy"}`},
		{stream.Errorf(stream.CodeThroughputExceeded, "slow"), 400, `{"__type":"ProvisionedThroughputExceededException","message":"slow"}`},
		{stream.Errorf(stream.CodeOverloaded, "later"), 503, `{"__type":"ServiceUnavailable","message":"later"}`},
		{stream.Errorf(stream.CodeUnknownOutcome, "perhaps"), 500, `{"__type":"InternalFailure","message":"perhaps"}`},
		{stream.Errorf(stream.CodeInternal, "secret"), 500, `{"__type":"InternalFailure"}`},
		{errors.New("secret"), 500, `{"__type":"InternalFailure"}`},
		{InvalidArgument("bad"), 400, `{"__type":"InvalidArgumentException","message":"bad"}`},
		{DryRun(), 400, `{"__type":"DryRunOperationException","message":"Request would have succeeded, but DryRun flag is set."}`},
	}
	for _, c := range cases {
		w := serve(handler(func(context.Context, *Request) (shape.Reply, error) { return nil, c.err }), request("POST", "Echo", fine, nil))
		if w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
	for code := stream.CodeInvalidArgument; ; code++ {
		if strings.HasPrefix(code.String(), "Code(") {
			break
		}
		e := ErrorOf(stream.Errorf(code, "x"))
		if e.Message != "x" || code.Retryable() && e.Status < 500 && code != stream.CodeLimitExceeded && code != stream.CodeThroughputExceeded {
			t.Errorf("%v becomes %+v", code, e)
		}
	}
}

func TestEmptyAnswer(t *testing.T) {
	w := serve(handler(func(context.Context, *Request) (shape.Reply, error) { return nil, nil }), request("POST", "Echo", fine, nil))
	if w.Code != 200 || w.Body.Len() != 0 || raw(w, "Content-Type") != typeJSON11 {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	checkHeaders(t, w)
}

func TestLongAnswer(t *testing.T) {
	blob := bytes.Repeat([]byte("x"), 1<<20)
	h := handler(func(context.Context, *Request) (shape.Reply, error) {
		return func(o shape.Out) { o.Blob("Data", blob) }, nil
	})
	w := serve(h, request("POST", "Echo", fine, nil))
	var got struct{ Data []byte }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !bytes.Equal(got.Data, blob) {
		t.Errorf("%v, %d bytes", err, len(got.Data))
	}
	checkHeaders(t, w)
}

func TestPanicIsInternalFailure(t *testing.T) {
	w := serve(handler(func(context.Context, *Request) (shape.Reply, error) { panic("bug") }), request("POST", "Echo", fine, nil))
	if w.Code != 500 || w.Body.String() != `{"__type":"InternalFailure"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBodyLimits(t *testing.T) {
	h := handler(reply)
	large := bytes.Repeat([]byte(" "), MaxBody+1)
	for _, known := range []bool{true, false} {
		r := request("POST", "Echo", "", nil)
		r.Body = io.NopCloser(bytes.NewReader(large))
		if r.ContentLength = -1; known {
			r.ContentLength = int64(len(large))
		}
		if w := serve(h, r); w.Code != 413 {
			t.Errorf("length known %v: %d %s", known, w.Code, w.Body)
		}
	}
	r := request("POST", "Echo", fine, nil)
	r.ContentLength = 100
	if w := serve(h, r); w.Code != 400 || !strings.Contains(w.Body.String(), messageBodyCutShort) {
		t.Errorf("cut short: %d %s", w.Code, w.Body)
	}
	r = request("POST", "Echo", fine, nil)
	r.ContentLength = -1
	if w := serve(h, r); w.Code != 200 || w.Body.String() != fine {
		t.Errorf("chunked: %d %s", w.Code, w.Body)
	}
}

// TestBudget checks that bodies in memory are bounded, that who waits in vain is told to
// come back, and that everything is given back.
func TestBudget(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := New(Config{
		Services: []Service{echo(func(context.Context, *Request) (shape.Reply, error) {
			entered <- struct{}{}
			<-leave
			return nil, nil
		})},
		BodyBudget: MaxBody,
	})
	large := fine + strings.Repeat(" ", MaxBody-len(fine))
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- serve(h, request("POST", "Echo", large, nil)) }()
	<-entered
	if w := serve(h, request("POST", "Echo", fine, nil)); w.Code != 503 || !strings.Contains(w.Body.String(), CodeServiceUnavailable) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(leave)
	if w := <-done; w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	go func() { <-entered }()
	if w := serve(h, request("POST", "Echo", fine, nil)); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !h.bodies.budget.TryAcquire(h.bodies.total) {
		t.Error("bytes were not given back")
	}
}

// TestHold checks that memory an operation held is not reused.
func TestHold(t *testing.T) {
	views := make(map[string]string)
	hold := true
	h := handler(func(_ context.Context, r *Request) (shape.Reply, error) {
		if hold {
			r.Hold()
		}
		views[r.Text("Text")] = r.Get("Text").View()
		return nil, errors.New("outcome unknown")
	})
	for i := range 10 {
		serve(h, request("POST", "Echo", fmt.Sprintf(`{"Text":"text %d"}`, i), nil))
	}
	for text, view := range views {
		if text != view {
			t.Errorf("%q became %q", text, view)
		}
	}
}

func TestObserve(t *testing.T) {
	var seen []string
	h := New(Config{
		Services: []Service{echo(reply)},
		Observe:  func(op, code string, _ time.Duration) { seen = append(seen, op+"/"+code) },
	})
	serve(h, request("POST", "Echo", fine, nil))
	serve(h, request("POST", "Echo", `{}`, nil))
	serve(h, request("POST", "Nothing", `{}`, nil))
	serve(h, request("GET", "Echo", ``, nil))
	if got := strings.Join(seen, " "); got != "Echo/ Echo/ValidationException /UnknownOperationException /AccessDeniedException" {
		t.Error(got)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("POST", typeJSON11, "Test_20131202.Echo", signed, "20261104T000000Z", "", []byte(fine))
	f.Add("POST", typeJSON, "x", "AWS4-", "", "X-Amz-Algorithm=1", []byte(`[{"a":1}]`))
	f.Add("OPTIONS", "", "", "", "", "", []byte(``))
	h := handler(reply)
	f.Fuzz(func(t *testing.T, method, media, target, auth, date, query string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		r.Header = http.Header{
			"Content-Type": {media}, "X-Amz-Target": {target}, "Authorization": {auth}, "X-Amz-Date": {date},
		}
		w := serve(h, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		checkHeaders(t, w)
		if strings.Contains(raw(w, "Content-Type"), "json") && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("not JSON: %q", w.Body)
		}
	})
}
