package json11

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

var (
	text   = &shape.Shape{Kind: shape.String}
	record = &shape.Shape{Kind: shape.Structure, Name: "Record", Members: []shape.Member{
		{Name: "Data", Shape: &shape.Shape{Kind: shape.Blob}},
		{Name: "Key", Shape: text},
	}}
	request = &shape.Shape{Kind: shape.Structure, Name: "Request", Members: []shape.Member{
		{Name: "Name", Shape: text},
		{Name: "Count", Shape: &shape.Shape{Kind: shape.Integer}},
		{Name: "Big", Shape: &shape.Shape{Kind: shape.Long}},
		{Name: "When", Shape: &shape.Shape{Kind: shape.Timestamp}},
		{Name: "Flag", Shape: &shape.Shape{Kind: shape.Boolean}},
		{Name: "Data", Shape: &shape.Shape{Kind: shape.Blob}},
		{Name: "Records", Shape: &shape.Shape{Kind: shape.List, Element: record, Bounds: shape.Between(1, 3)}},
		{Name: "Tags", Shape: &shape.Shape{Kind: shape.Map, Key: text, Element: text}},
		{Name: "Inner", Shape: record},
	}}
)

func decode(t *testing.T, body string) (shape.Struct, string, error) {
	t.Helper()
	v, mismatch, err := Decode([]byte(body), request, new(shape.Arena))
	return shape.StructOf(request, v), mismatch, err
}

func TestDecode(t *testing.T) {
	in, mismatch, err := decode(t, ` { "Name" : "a\u00e4\ud83d\ude00\/\"", "Count": 3.9, "Big":-9007199254740993, "When": 1.7e9 ,
		"Flag":true, "Unknown": [{"a":[1,2,{"b":null}]},"x",-0.5e-7,{}, []], "Data":"aGVsbG8=",
		"Records":[{"Data":"AAEC\/w==","Key":"k1","Other":1},null], "Tags":{"one":"1","two":"2"}, "Inner":null }`)
	if err != nil || mismatch != "" {
		t.Fatal(err, mismatch)
	}
	if got := in.Text("Name"); got != "aä😀/\"" {
		t.Errorf("Name %q", got)
	}
	if n := in.Int("Count", 0); n != 3 {
		t.Errorf("Count %d", n)
	}
	if n := in.Int("Big", 0); n != -9007199254740993 {
		t.Errorf("Big %d", n)
	}
	if n := in.Int("When", 0); n != 1_700_000_000_000 {
		t.Errorf("When %d", n)
	}
	if !in.Bool("Flag") || in.Has("Inner") || string(in.Get("Data").Bytes) != "hello" {
		t.Error("Flag, Inner or Data")
	}
	if in.Len("Records") != 2 || in.Get("Records").Items[1].Set {
		t.Error("Records")
	}
	for i, r := range in.List("Records") {
		if i == 0 && (r.Text("Key") != "k1" || !bytes.Equal(r.Get("Data").Bytes, []byte{0, 1, 2, 255})) {
			t.Error("first record")
		}
	}
	if tags := in.Get("Tags").Items; len(tags) != 4 || tags[2].View() != "two" || tags[3].View() != "2" {
		t.Errorf("Tags %v", tags)
	}
}

func TestNumbers(t *testing.T) {
	for body, want := range map[string]int64{
		`3000000000`: math.MaxInt32, `-3000000000`: math.MinInt32, `1e3`: 1000, `-1.5`: -2, `1e400`: math.MaxInt32, `-0`: 0,
		`99999999999999999999999`: math.MaxInt32, `0.999`: 0,
	} {
		in, mismatch, err := decode(t, `{"Count":`+body+`}`)
		if got := in.Int("Count", -1); err != nil || mismatch != "" || got != want {
			t.Errorf("%s: %d, want %d (%v %s)", body, got, want, err, mismatch)
		}
	}
	for body, want := range map[string]int64{
		`1700000000.123`: 1700000000123, `1.700000000123E9`: 1700000000123, `0`: 0, `-1.5`: -1500, `1700000000.1239999`: 1700000000124,
	} {
		in, _, err := decode(t, `{"When":`+body+`}`)
		if got := in.Int("When", -1); err != nil || got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
}

func TestMismatches(t *testing.T) {
	const (
		number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
		boole  = "class java.lang.Boolean can not be converted to "
		str    = "class java.lang.String can not be converted to "
		list   = "Start of list found where not expected"
		object = "Start of structure or map found where not expected."
	)
	cases := []struct{ body, want string }{
		{`{"Name":1}`, number + "an String"},
		{`{"Name":false}`, boole + "an String"},
		{`{"Name":[]}`, list},
		{`{"Name":{}}`, object},
		{`{"Count":"1"}`, str + "an Integer"},
		{`{"Count":true}`, boole + "an Integer"},
		{`{"Big":"1"}`, str + "an Long"},
		{`{"Flag":1}`, number + "an Boolean"},
		{`{"Flag":"maybe"}`, "'MAYBE' can not be converted to an Boolean"},
		{`{"Flag":"Yes"}`, ""},
		{`{"Data":1}`, number + "a Blob"},
		{`{"Data":true}`, boole + "a Blob"},
		{`{"Data":"YQ"}`, "'YQ' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 2"},
		{`{"Data":"YWJjYWJjYWJjYWJj_WJj"}`, "'YWJjYWJjYWJjYWJj_WJj' can not be converted to a Blob: Invalid Base64 character: '_'"},
		{`{"Data":"Y=Jj"}`, "'Y=Jj' can not be converted to a Blob: Invalid Base64 character: '='"},
		{`{"Data":"YWJjYWJjYR=="}`, "'YWJjYWJjYR==' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"},
		{`{"Data":"===="}`, "'====' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"},
		{`{"When":"now"}`, str + "milliseconds since epoch"},
		{`{"When":true}`, boole + "milliseconds since epoch"},
		{`{"Records":"x"}`, "Expected list or null"},
		{`{"Records":3}`, "Expected list or null"},
		{`{"Records":{"a":[]}}`, object},
		{`{"Records":["x"]}`, "Expected null"},
		{`{"Records":[[]]}`, list},
		{`{"Tags":true}`, "Expected map or null"},
		{`{"Tags":[1]}`, list},
		{`{"Tags":{"a":1}}`, number + "an String"},
		{`{"Inner":"x"}`, "Expected null"},
		{`[]`, list},
		{`"x"`, "Expected null"},
		{`{"Name":1,"Count":"first wins"}`, number + "an String"},
	}
	for _, c := range cases {
		if _, got, err := decode(t, c.body); err != nil || got != c.want {
			t.Errorf("%s:\n got %q %v\nwant %q", c.body, got, err, c.want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	bad := []string{
		``, ` `, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}x`, `[1,]`, `[1 2]`, `nul`, `tru`, `01`, `1.`, `.5`, `1e`, `-`, `+1`,
		`{"Name":"x}`, `{"Name":"` + "\n" + `"}`, `{"Name":"\x"}`, `{"Name":"\u12"}`, `{"Name":"\u12G4"}`, `{"Name":"` + "\xff" + `"}`,
		`{'Name':1}`, `{"Name":1 "Count":2}`, `{"Unknown":[1,{]}}`, `{"Unknown":{"a":1]}`, `{"Unknown":[}`, `NaN`, `{"Name":3,"Count":`,
		`{"Name":"abcdefgh` + "\x01" + `"}`, `{"\`, `{"Name":"\`,
	}
	for _, body := range bad {
		if _, _, err := decode(t, body); err == nil {
			t.Errorf("%q was accepted", body)
		}
		if _, _, err := Decode([]byte(body), nil, nil); err == nil {
			t.Errorf("%q was accepted without a shape", body)
		}
	}
}

func TestMillionDeep(t *testing.T) {
	for _, open := range []string{`[`, `{"a":`, `{"Inner":`, `{"Records":[`} {
		body := strings.Repeat(open, 1_000_000)
		if _, _, err := decode(t, body); err == nil {
			t.Errorf("%.10s...: accepted", body)
		}
	}
	deep := strings.Repeat(`[`, maxDepth) + strings.Repeat(`]`, maxDepth)
	if _, _, err := decode(t, `{"Unknown":`+deep[1:len(deep)-1]+`}`); err != nil {
		t.Error(err)
	}
}

// TestMemory sends the requests that would make the most of the fewest bytes.
func TestMemory(t *testing.T) {
	many := `{"Records":[` + strings.Repeat(`{},`, 1_000_000) + `{}]}`
	in, mismatch, err := decode(t, many)
	if err != nil || mismatch != "" || in.Len("Records") != 4 || in.Get("Records").Num != 1_000_001 {
		t.Errorf("%v %s: %d elements kept of %d", err, mismatch, in.Len("Records"), in.Get("Records").Num)
	}
	again := `{` + strings.Repeat(`"Inner":{},`, 100_000) + `"Name":"x"}`
	if _, _, err := decode(t, again); err == nil {
		t.Error("a member repeated for ever was accepted")
	}
}

func TestUnescapeAgainstStandardLibrary(t *testing.T) {
	for _, s := range []string{
		`\ud83d`, `\ud83dx`, `\ud83d\u0041`, `\ude00\ud83d`, `\u0000\b\f\n\r\t\\`, `plain text longer than eight é`, `\/\/\/`,
		`1234567\\`, `12345678\"901`,
	} {
		var want string
		if err := json.Unmarshal([]byte(`"`+s+`"`), &want); err != nil {
			t.Fatal(err)
		}
		in, _, err := decode(t, `{"Name":"`+s+`"}`)
		if err != nil || in.Text("Name") != want {
			t.Errorf("%s: %q, want %q (%v)", s, in.Text("Name"), want, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Name":"a\u00e4","Count":1,"Records":[{"Data":"aGVsbG8=","Key":"k"}],"Tags":{"a":"b"},"Inner":{}}`))
	f.Add([]byte(`[[[{"a":[1,-2.5e3,true,false,null,"x\n"]}]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		valid := json.Valid(body) && utf8.Valid(body)
		arena := new(shape.Arena)
		_, _, plain := Decode(bytes.Clone(body), nil, arena)
		v, mismatch, err := Decode(bytes.Clone(body), request, arena)
		if (err == nil) != (plain == nil) {
			t.Fatalf("with shape %v, without %v", err, plain)
		}
		if err == nil && !valid {
			t.Fatal("accepted what is not JSON")
		}
		if err != nil && valid && bytes.Count(body, []byte("[")) < maxDepth && bytes.Count(body, []byte("{")) < maxDepth {
			t.Fatal("refused what is JSON")
		}
		if err == nil && mismatch == "" {
			_ = shape.Validate(request, v, "test")
			checkText(t, body, shape.StructOf(request, v))
		}
	})
}

// checkText compares with the standard library, unless a name is repeated,
// differs only in case, or a lone surrogate is in the way.
func checkText(t *testing.T, body []byte, in shape.Struct) {
	t.Helper()
	var want map[string]any
	if json.Unmarshal(body, &want) != nil {
		return
	}
	if name, ok := want["Name"].(string); ok && in.Text("Name") != name {
		t.Fatalf("Name %q, want %q", in.Text("Name"), name)
	}
	if data, ok := want["Data"].(string); ok {
		if blob, err := base64.StdEncoding.Strict().DecodeString(data); err != nil || !bytes.Equal(blob, in.Get("Data").Bytes) {
			t.Fatalf("Data %q, want %q (%v)", in.Get("Data").Bytes, blob, err)
		}
	}
}

func FuzzBase64(f *testing.F) {
	f.Add("aGVsbG8=")
	f.Add("AAAAAAAAAAA_AAAA")
	f.Add("YR==")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := base64.StdEncoding.Strict().DecodeString(s)
		standard := err == nil && !strings.ContainsAny(s, "\r\n")
		got, mismatch := decodeBase64([]byte(s))
		if standard != (mismatch == "") || standard && !bytes.Equal(got, want) {
			t.Fatalf("%q %q, want %q %v", got, mismatch, want, err)
		}
		if mismatch != "" && len(s) < 1000 && !strings.HasPrefix(mismatch, "'"+s+"' can not be converted to a Blob: ") {
			t.Fatalf("message %q does not repeat %q", mismatch, s)
		}
	})
}
