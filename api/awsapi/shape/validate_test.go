package shape

import (
	"strings"
	"testing"
)

func value(s string) Value { return Value{Bytes: []byte(s), Set: true} }

func number(n int64) Value { return Value{Num: n, Set: true} }

func items(vs ...Value) Value { return Value{Items: vs, Num: int64(len(vs)), Set: true} }

var (
	key  = &Shape{Kind: String, Name: "Key", Bounds: Between(1, 3)}
	tag  = &Shape{Kind: String, Name: "Value", Bounds: Between(0, 3)}
	one  = &Shape{Kind: Structure, Name: "Entry", Members: []Member{{Name: "PartitionKey", Shape: key, Required: true}}}
	full = &Shape{Kind: Structure, Name: "Input", Members: []Member{
		{Name: "StreamName", Shape: &Shape{Kind: String, Bounds: Between(1, 8), Pattern: Regexp("[a-z]+", "a", "1")}, Required: true},
		{Name: "Limit", Shape: &Shape{Kind: Integer, Bounds: AtLeast(1)}},
		{Name: "Records", Shape: &Shape{Kind: List, Bounds: Between(1, 2), Element: one}},
		{Name: "TagKeys", Shape: &Shape{Kind: List, Element: key}},
		{Name: "Tags", Shape: &Shape{Kind: Map, Key: key, Element: tag}},
		{Name: "Type", Shape: &Shape{Kind: String, Enum: []string{"A", "B"}}},
		{Name: "Data", Shape: &Shape{Kind: Blob, Bounds: Between(0, 2)}},
		{Name: "Flag", Shape: &Shape{Kind: Boolean}},
	}}
)

// input is an input with the given members, by place.
func input(set map[int]Value) Value {
	v := items(make([]Value, len(full.Members))...)
	v.Items[0] = value("name")
	for i, m := range set {
		v.Items[i] = m
	}
	return v
}

func TestValidate(t *testing.T) {
	entry := func(k string) Value { return items(value(k)) }
	cases := []struct {
		set  map[int]Value
		want string
	}{
		{nil, ""},
		{map[int]Value{0: {}}, "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null"},
		{map[int]Value{0: value("UPPER CASE")}, "2 validation errors detected: " +
			"Value 'UPPER CASE' at 'streamName' failed to satisfy constraint: Member must have length less than or equal to 8; " +
			"Value 'UPPER CASE' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"},
		{map[int]Value{1: number(0)}, "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{map[int]Value{2: items(entry("a"), entry("toolong"))}, "1 validation error detected: " +
			"Value 'toolong' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 3"},
		{map[int]Value{2: items(entry("a"), Value{})}, "1 validation error detected: " +
			"Value null at 'records.2.member' failed to satisfy constraint: Member must not be null"},
		{map[int]Value{2: items(entry("a"), entry("b"), entry("a"))}, "1 validation error detected: " +
			"Value '[com.example.Entry@e40c292c, com.example.Entry@e70c2de5, com.example.Entry@e40c292c]' at 'records' failed to satisfy constraint: " +
			"Member must have length less than or equal to 2"},
		{map[int]Value{3: items(value("a"), value(""))}, "1 validation error detected: Value '[a, ]' at 'tagKeys' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must have length less than or equal to 3, Member must have length greater than or equal to 1]"},
		{map[int]Value{4: items(value("toolong"), value("toolong"))}, "2 validation errors detected: " +
			"Value '{toolong=toolong}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: " +
			"[Member must have length less than or equal to 3, Member must have length greater than or equal to 1]; " +
			"Value '{toolong=toolong}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: " +
			"[Member must have length less than or equal to 3, Member must have length greater than or equal to 0]"},
		{map[int]Value{5: value("C")}, "1 validation error detected: Value 'C' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"},
		{map[int]Value{6: value("abc")}, "1 validation error detected: " +
			"Value 'java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{map[int]Value{4: items(value("ä€😀"), value("€€€"))}, ""}, // characters count, not bytes
	}
	for _, c := range cases {
		if got := Validate(full, input(c.set), "com.example"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestManyViolations checks that all are counted and ten are listed.
func TestManyViolations(t *testing.T) {
	many := &Shape{Kind: Structure, Members: []Member{{Name: "Records", Shape: &Shape{Kind: List, Element: one}}}}
	list := make([]Value, 25)
	for i := range list {
		list[i] = items(value(""))
	}
	got := Validate(many, items(items(list...)), "com.example")
	if !strings.HasPrefix(got, "25 validation errors detected: ") || strings.Count(got, "; ") != 9 {
		t.Error(got)
	}
}

// TestLongValueIsCut checks that a message does not repeat a value without bound.
func TestLongValueIsCut(t *testing.T) {
	got := Validate(full, input(map[int]Value{0: value(strings.Repeat("ä", 1<<20))}), "com.example")
	if len(got) > 3*maxEcho || !strings.Contains(got, "...' at 'streamName'") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestArenaIsBoundedAndReused(t *testing.T) {
	var a Arena
	total := 0
	for {
		vs, ok := a.New(5)
		if !ok {
			break
		}
		if vs[0].Set {
			t.Fatal("a new value is set")
		}
		vs[0].Set = true
		total += 5
	}
	if total > maxValues || total < maxValues-5 {
		t.Errorf("%d values", total)
	}
	a.Reset()
	if vs, ok := a.New(3); !ok || vs[0].Set {
		t.Error("the arena was not emptied")
	}
}

func TestMismatchTable(t *testing.T) {
	if m := Mismatch(Blob, GotBlob); m != "" {
		t.Error(m)
	}
	if m := Mismatch(String, GotBlob); m != "class java.nio.HeapByteBuffer can not be converted to an String" {
		t.Error(m)
	}
	for k := String; k <= Structure; k++ {
		accepted := 0
		for _, got := range []Got{GotString, GotNumber, GotBoolean, GotList, GotMap} {
			if Mismatch(k, got) == "" {
				accepted++
			}
		}
		if want := map[bool]int{true: 2, false: 1}[k == Boolean]; accepted != want {
			t.Errorf("%v accepts %d forms", k, accepted)
		}
	}
}
