package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	var r report
	r.atLeast("a", "rate", 1000, 1_234_567, perSecond)
	r.below("a", "delay", 0.001, 0.001, seconds)
	r.atMost("a", "bytes", 2.8, 2.8, ratio)
	r.note("a", "note", "7")
	if r.missed() != 1 {
		t.Errorf("%d goals were missed, want the delay only", r.missed())
	}
	var b strings.Builder
	if err := r.markdown(&b, machine{}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"| a | rate | ≥ 1,000/s | 1,234,567/s | yes |",
		"| a | delay | < 1.00 ms | 1.00 ms | **no** |",
		"| a | bytes | ≤ 2.80 | 2.80 | yes |",
		"| a | note |  | 7 |  |",
	} {
		if !strings.Contains(b.String(), row) {
			t.Errorf("no row %q in\n%s", row, b.String())
		}
	}
}

func TestDelays(t *testing.T) {
	var d delays
	for _, ms := range []int{5, 1, 4, 2, 3} {
		d.add(time.Duration(ms) * time.Millisecond)
	}
	for q, want := range map[float64]int{0: 1, 0.2: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := d.at(q); got != time.Duration(want)*time.Millisecond {
			t.Errorf("at %v: %v, want %d ms", q, got, want)
		}
	}
	if got := new(delays).at(0.5); got < time.Hour {
		t.Errorf("no event was awaited for %v: that would meet any goal", got)
	}
}

// What was read must be what was put: numbers, sizes and keys.
func TestSourceAndSame(t *testing.T) {
	src := newSource(3)
	records, put := src.fill(40)
	var read written
	keys := map[string]bool{}
	for _, r := range records {
		read.records++
		read.bytes += int64(r.Size())
		read.sum += number(r.Data)
		keys[r.PartitionKey] = true
	}
	if err := same(put, read); err != nil || len(keys) != 3 || read.sum != 40+41+42 {
		t.Errorf("%v; %d keys, sum %d", err, len(keys), read.sum)
	}
	first := string(records[0].Data)
	if again, _ := src.fill(40); string(again[0].Data) == first {
		t.Error("payloads are repeated")
	}
	read.sum++
	if same(put, read) == nil {
		t.Error("another record was not noticed")
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(scenarios) {
		t.Errorf("nothing chosen: %d, %v", len(all), err)
	}
	some, err := choose("tail,batch")
	if err != nil || len(some) != 2 || some[0].name != "batch" {
		t.Errorf("got %v, %v; want batch before tail", some, err)
	}
	if _, err := choose("batch,fast"); err == nil || !strings.Contains(err.Error(), `"fast"`) {
		t.Errorf("got %v", err)
	}
}
