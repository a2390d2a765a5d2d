package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one row of the table.
type figure struct {
	scenario string
	what     string
	goal     string // "" if there is none
	measured string
	met      bool
}

func (f figure) verdict() string {
	switch {
	case f.goal == "":
		return ""
	case f.met:
		return "yes"
	}
	return "**no**"
}

// report collects figures.
type report struct{ figures []figure }

func (r *report) atLeast(scenario, what string, goal, measured float64, text func(float64) string) {
	r.figures = append(r.figures, figure{scenario, what, "≥ " + text(goal), text(measured), measured >= goal})
}

func (r *report) below(scenario, what string, goal, measured float64, text func(float64) string) {
	r.figures = append(r.figures, figure{scenario, what, "< " + text(goal), text(measured), measured < goal})
}

func (r *report) atMost(scenario, what string, goal, measured float64, text func(float64) string) {
	r.figures = append(r.figures, figure{scenario, what, "≤ " + text(goal), text(measured), measured <= goal})
}

// note is a figure without a goal.
func (r *report) note(scenario, what, measured string) {
	r.figures = append(r.figures, figure{scenario: scenario, what: what, measured: measured})
}

// missed is how many goals were not met.
func (r *report) missed() int {
	n := 0
	for _, f := range r.figures {
		if f.goal != "" && !f.met {
			n++
		}
	}
	return n
}

var header = []string{"Scenario", "Figure", "Goal", "Measured", "Met"}

func (f figure) cells() []string {
	return []string{f.scenario, f.what, f.goal, f.measured, f.verdict()}
}

// text prints the table for a terminal.
func (r *report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, f := range r.figures {
		fmt.Fprintln(t, strings.ReplaceAll(strings.Join(f.cells(), "\t"), "*", ""))
	}
	return t.Flush()
}

// markdown writes the machine and the table.
func (r *report) markdown(w io.Writer, m machine) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| %s |\n|%s\n", m, strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, f := range r.figures {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(f.cells(), " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func perSecond(v float64) string { return grouped(v) + "/s" }

func megabytesPerSecond(v float64) string { return fmt.Sprintf("%.0f MB/s", v/1e6) }

func mebibytes(v float64) string { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }

func ratio(v float64) string { return fmt.Sprintf("%.2f", v) }

// seconds prints a number of seconds in the unit that suits it.
func seconds(v float64) string {
	switch {
	case v >= 1:
		return fmt.Sprintf("%.2f s", v)
	case v >= 1e-3:
		return fmt.Sprintf("%.2f ms", v*1e3)
	}
	return fmt.Sprintf("%.0f µs", v*1e6)
}

func took(d time.Duration) string { return seconds(d.Seconds()) }

// grouped prints a whole number with commas.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
