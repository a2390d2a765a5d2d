package kinesis

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/apitest"
	"github.com/runnel-io/runnel/api/awsapi/shape"
	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

var update = flag.Bool("update", false, "write docs/kinesis-api.md anew")

var _ Broker = (*broker.Broker)(nil)

func call(h *awsapi.Handler, operation string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	r.Header.Set("X-Amz-Date", "20261104T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/20261104/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler(b Broker) *awsapi.Handler {
	return awsapi.New(awsapi.Config{Services: []awsapi.Service{Service(b)}})
}

// TestMalformed sends everything that the descriptions forbid: each is refused in the
// words of the service, and nothing of it reaches the broker.
func TestMalformed(t *testing.T) {
	f := &fake{t: t, shut: true}
	h := newHandler(f)
	total := 0
	for _, op := range Service(f).Operations {
		t.Run(op.Name, func(t *testing.T) {
			f.t = t
			for _, c := range apitest.Cases(op) {
				total++
				w := call(h, c.Operation, c.Body)
				var got map[string]string
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Errorf("%s: %v: %.200s", c.Name, err, w.Body)
					continue
				}
				if w.Code != 400 || got["__type"] != c.Code || got[c.Member] != c.Message {
					t.Errorf("%s: %.300s\n got %d %.300s %.600s\nwant %s %.600s", c.Name, c.Body, w.Code, got["__type"], got[c.Member], c.Code, c.Message)
				}
			}
		})
	}
	if total < 500 {
		t.Errorf("only %d cases", total)
	}
}

// TestTooManyRecords checks the limit of the list itself, whose message prints objects.
func TestTooManyRecords(t *testing.T) {
	body := []byte(`{"StreamName":"orders","Records":[` + strings.Repeat(`{"Data":"","PartitionKey":"k"},`, 500) + `{"Data":"","PartitionKey":"k"}]}`)
	w := call(newHandler(&fake{t: t, shut: true}), "PutRecords", body)
	const prefix = `{"__type":"ValidationException","message":"1 validation error detected: Value '[com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@`
	const suffix = `]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"}`
	if got := w.Body.String(); !strings.HasPrefix(got, prefix) || !strings.HasSuffix(got, suffix) || strings.Count(got, "PutRecordsRequestEntry@") != 501 {
		t.Errorf("%.300s", got)
	}
}

// TestOperations runs testdata/operations: each call, what the broker was asked, and the answer.
func TestOperations(t *testing.T) {
	datadriven.RunTest(t, "testdata/operations", func(t *testing.T, d *datadriven.TestData) string {
		f := &fake{t: t}
		var body bytes.Buffer
		if err := json.Compact(&body, []byte(d.Input)); err != nil {
			d.Fatalf(t, "%v", err)
		}
		w := call(newHandler(f), d.Cmd, body.Bytes())
		var out strings.Builder
		for _, c := range f.calls {
			fmt.Fprintln(&out, "->", c)
		}
		fmt.Fprintln(&out, w.Code)
		if w.Body.Len() > 0 {
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, w.Body.Bytes(), "", " "); err != nil {
				d.Fatalf(t, "%v: %s", err, w.Body)
			}
			fmt.Fprintln(&out, pretty.String())
		}
		return out.String()
	})
}

func blob(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func TestRecordSizes(t *testing.T) {
	const most = stream.DefaultMaxRecordBytes
	h := newHandler(&fake{t: t})
	cases := []struct {
		op, body, want string
	}{
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"` + blob(most-1) + `"}`, `"ShardId"`},
		{
			"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"` + blob(most) + `"}`,
			`{"__type":"ValidationException","message":"1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048576 cap=1048576]' at 'data' ` +
				`failed to satisfy constraint: Member must have length less than or equal to 1048576"}`,
		},
		{
			"PutRecords", `{"StreamName":"orders","Records":[{"PartitionKey":"k","Data":""},{"PartitionKey":"k","Data":"` + blob(most) + `"}]}`,
			`at 'records.2.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576"}`,
		},
		{"PutRecord", `{"StreamName":"missing","PartitionKey":"k","Data":"` + blob(most) + `"}`, `"ResourceNotFoundException"`},
		{
			"PutRecords", `{"StreamName":"orders","Records":[` + strings.Repeat(`{"PartitionKey":"k","Data":"`+blob(most-1)+`"},`, 10) + `{"PartitionKey":"k","Data":""}]}`,
			`{"__type":"InvalidArgumentException","message":"Records size exceeds 10 MB limit"}`,
		},
	}
	for _, c := range cases {
		if w := call(h, c.op, []byte(c.body)); !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %.80s...: %.300s", c.op, c.body, w.Body)
		}
	}
}

// TestUnbuiltOperations checks that operations of Kinesis that are not here are unknown.
func TestUnbuiltOperations(t *testing.T) {
	h := newHandler(&fake{t: t, shut: true})
	for _, op := range []string{"SubscribeToShard", "RegisterStreamConsumer", "DescribeLimits", "AddTagsToStream", "Nonsense"} {
		if w := call(h, op, []byte(`{}`)); w.Code != 400 || w.Body.String() != `{"__type":"UnknownOperationException"}` {
			t.Errorf("%s: %d %s", op, w.Code, w.Body)
		}
	}
}

// TestMatchersAgree holds the hand-written matchers to the patterns they stand for.
func TestMatchersAgree(t *testing.T) {
	texts := []string{
		"", "0", "00", "01", "1", "10", "a", "a b", "\u00e9", "-1", "x.y_z-0", "1\n", strings.Repeat("9", 39), strings.Repeat("9", 40),
		strings.Repeat("1", 129), strings.Repeat("1", 130),
	}
	for _, p := range []*shape.Pattern{namePattern, hashKey.Pattern, sequenceNumber.Pattern} {
		plain := shape.Regexp(p.Text, p.Good, p.Bad)
		for _, text := range append(texts, p.Good, p.Bad) {
			if p.Match([]byte(text)) != plain.Match([]byte(text)) {
				t.Errorf("%s and its matcher disagree about %q", p.Text, text)
			}
		}
	}
}

// TestDocument checks that docs/kinesis-api.md is what the descriptions say.
func TestDocument(t *testing.T) {
	const path = "../../../docs/kinesis-api.md"
	var want bytes.Buffer
	if err := awsapi.WriteDocument(&want, "Kinesis operations", Service(&fake{t: t})); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is out of date (%v): go test ./api/awsapi/kinesis -run TestDocument -update", path, err)
	}
}

func FuzzRequests(f *testing.F) {
	broker := &fake{t: new(testing.T)}
	ops := Service(broker).Operations
	for i, op := range ops {
		f.Add(uint8(i), apitest.Valid(op))
	}
	h := newHandler(broker)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		broker.calls = nil
		w := call(h, ops[int(which)%len(ops)].Name, body)
		if w.Code >= 500 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) && len(body) > 0 {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	})
}
