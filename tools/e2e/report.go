package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	tail    = 120 // lines of the output of a test that failed
	reasons = 3   // lines that say why, in the summary
)

// report says what became of the tests: in full first, since the end of a log
// is what is kept of it, then in short, and go test's own lines last.
type report struct {
	first   *run
	retries []*run
	failed  []string // in each run
	has     []string // what no test may miss
	units   bool     // packages' own tests, which are run once
}

// ok reports whether every test passed once.
func (r *report) ok() bool {
	if len(r.failed) > 0 || r.first.broken || len(r.unfounded()) > 0 {
		return false
	}
	return r.first.ok || len(r.retries) > 0 && !r.last().broken
}

func (r *report) last() *run {
	if n := len(r.retries); n > 0 {
		return r.retries[n-1]
	}
	return r.first
}

func (r *report) write(w io.Writer) {
	for _, name := range r.first.failed() {
		r.writeTest(w, name)
	}
	last := r.last()
	for _, run := range append([]*run{r.first}, r.retries...) {
		if run.broken {
			writeBroken(w, run)
		}
	}
	what := map[bool]string{true: "units", false: "e2e"}[r.units]
	fmt.Fprintf(w, "== "+what+": %d tests passed, %d failed, %d skipped\n", r.first.count("pass")+len(r.first.failed())-len(r.failed), len(r.failed), skips(r.first))
	writeSkipped(w, r.first)
	if names := r.unfounded(); len(names) > 0 {
		fmt.Fprintf(w, "== failed, since they must not be skipped here: %s\n", strings.Join(names, ", "))
	}
	for _, name := range r.first.failed() {
		if !slices.Contains(r.failed, name) {
			fmt.Fprintf(w, "== passed when run again: %s; it had failed with:\n", name)
			writeWhy(w, r.first.find(name))
		}
	}
	for _, name := range r.failed {
		fmt.Fprintf(w, "== failed %s: %s\n", times(1+len(r.retries)), name)
		writeWhy(w, r.lastOf(name))
	}
	if n := len(r.first.failed()); n > hopeful && !r.units {
		fmt.Fprintf(w, "== %d tests failed, more than %d: none is run again\n", n, hopeful)
	}
	if r.units {
		writeVerdicts(w, last.own)
		return
	}
	for _, line := range verdict(last.own) {
		fmt.Fprintln(w, line)
	}
}

// lastOf is a failed test as it was in the last run that it failed in.
func (r *report) lastOf(name string) *test {
	for _, run := range slices.Backward(r.retries) {
		if t := run.find(name); t != nil && t.result == "fail" {
			return t
		}
	}
	return r.first.find(name)
}

// writeTest shows the end of a failed test's output: as go test does for one
// that fails for good, and marked for one that passed later.
func (r *report) writeTest(w io.Writer, name string) {
	mark := ""
	if !slices.Contains(r.failed, name) {
		mark = "| "
		fmt.Fprintf(w, "== %s failed at first, and passed when run again\n", name)
	}
	output := r.lastOf(name).output
	if n := len(output) - tail; n > 0 {
		fmt.Fprintf(w, "%s... %d lines before\n", mark, n)
		output = output[n:]
	}
	for _, line := range output {
		fmt.Fprintln(w, mark+line)
	}
}

func writeBroken(w io.Writer, r *run) {
	for _, t := range r.tests {
		if t.result == "" {
			fmt.Fprintf(w, "== %s did not end\n", t.name)
			for _, line := range t.output[max(0, len(t.output)-tail):] {
				fmt.Fprintln(w, line)
			}
		}
	}
	for _, line := range r.own[max(0, len(r.own)-tail):] {
		fmt.Fprintln(w, line)
	}
}

// said is the line of a test's output that begins what it says.
var said = regexp.MustCompile(`^\s*\w+_test\.go:\d+: (.*)`)

// writeWhy shows the first things that a test says, without the log of gonicorn.
func writeWhy(w io.Writer, t *test) {
	n := 0
	for _, line := range t.output {
		m := said.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[1], "gonicorn wrote") {
			continue
		}
		if n++; n > reasons {
			break
		}
		fmt.Fprintln(w, "     ", strings.TrimSpace(line))
	}
}

// skips is how many tests, and parts of tests, were skipped.
func skips(r *run) (n int) {
	for _, t := range r.tests {
		n += len(t.skipped)
	}
	return n
}

// noReason stands for what a test does not say.
const noReason = "no reason given"

// reason is why a test, or a part of one, was skipped.
func (p part) reason() string {
	why := noReason
	for _, line := range p.output {
		if m := said.FindStringSubmatch(line); m != nil {
			why = m[1]
		}
	}
	return why
}

// writeSkipped says what is missing, and how many tests want it.
func writeSkipped(w io.Writer, r *run) {
	wanting := map[string][]string{}
	for _, t := range r.tests {
		for _, p := range t.skipped {
			wanting[p.reason()] = append(wanting[p.reason()], p.name)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(wanting)) {
		fmt.Fprintf(w, "== skipped: %s (%s)\n", strings.Join(wanting[why], ", "), why)
	}
}

// missing is what a reason says that there is not.
var missing = regexp.MustCompile(`\b(?:there is no|needs) (?:/\S*/)?([\w-]+)`)

// unfounded are the tests that were skipped without a reason, or for want of
// what is there.
func (r *report) unfounded() (names []string) {
	for _, t := range r.first.tests {
		for _, p := range t.skipped {
			m := missing.FindStringSubmatch(p.reason())
			if p.reason() == noReason || m != nil && slices.Contains(r.has, m[1]) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// verdict are the last lines of go test: ok or FAIL, and the package.
func verdict(own []string) []string {
	for i := len(own) - 1; i >= 0; i-- {
		if strings.HasPrefix(own[i], "ok") || strings.HasPrefix(own[i], "FAIL\t") || strings.HasPrefix(own[i], "?") {
			return own[i:]
		}
	}
	return own[max(0, len(own)-1):]
}

// writeVerdicts shows the packages that failed, or how many did not.
func writeVerdicts(w io.Writer, own []string) {
	passed := 0
	for _, line := range own {
		switch {
		case strings.HasPrefix(line, "FAIL\t"):
			fmt.Fprintln(w, line)
		case strings.HasPrefix(line, "ok "):
			passed++
		}
	}
	fmt.Fprintf(w, "ok  \t%d packages\n", passed)
}

func times(n int) string {
	return map[int]string{1: "once", 2: "twice"}[n] + map[bool]string{true: fmt.Sprintf("%d times", n)}[n > 2]
}
