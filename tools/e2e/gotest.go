package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// gotest is the go command.
type gotest struct {
	command  string
	progress io.Writer
}

// run is what one go test has done.
type run struct {
	tests  []*test // in the order in which they began
	own    []string
	broken bool // the tests did not come to their end: a build that failed, a panic, a timeout
	ok     bool
}

// test is a test that is no part of another.
type test struct {
	name    string
	result  string   // pass, fail, skip; empty without an end
	output  []string // with that of its parts
	skipped []part   // it, or parts of it
}

// part is a test, or a part of one, and its output.
type part struct {
	name   string
	output []string
}

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// module begins the names of our packages.
const module = "github.com/gonicorn/gonicorn"

// named is a test's name among those of all packages.
func (e event) named(test string) string {
	folder := strings.TrimPrefix(strings.TrimPrefix(e.Package, module), "/")
	if folder == "" || folder == "e2e" {
		return test
	}
	return folder + "." + test
}

// run runs go test and reads what it says.
func (g gotest) run(args ...string) (*run, error) {
	cmd := exec.Command(g.command, append([]string{"test", "-json"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run go test: %w", err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run go test: %w", err)
	}
	r := g.read(out)
	r.ok = cmd.Wait() == nil
	if !r.ok {
		r.broken = len(r.failed()) == 0
		for _, t := range r.tests {
			r.broken = r.broken || t.result == ""
		}
	}
	return r, nil
}

func (g gotest) read(out io.Reader) *run {
	r := &run{}
	known, parts := map[string]*test{}, map[string][]string{}
	began, shown := time.Now(), time.Now()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			r.own = append(r.own, lines.Text()) // of the go command itself
			continue
		}
		if e.Test == "" {
			if e.Action == "output" || e.Action == "build-output" {
				r.own = append(r.own, strings.TrimSuffix(e.Output, "\n"))
			}
			continue
		}
		top, _, isPart := strings.Cut(e.Test, "/")
		top = e.named(top)
		whole := e.named(e.Test)
		t := known[top]
		if t == nil {
			t = &test{name: top}
			known[top], r.tests = t, append(r.tests, t)
		}
		switch line := strings.TrimSuffix(e.Output, "\n"); e.Action {
		case "output":
			if !strings.HasPrefix(line, "=== ") {
				t.output = append(t.output, line)
				parts[whole] = append(parts[whole], line)
			}
		case "pass", "fail", "skip":
			if !isPart {
				t.result = e.Action
			}
			if e.Action == "skip" {
				t.skipped = append(t.skipped, part{whole, parts[whole]})
			}
			delete(parts, whole)
		}
		if g.progress != nil && time.Since(shown) > every {
			shown = time.Now()
			fmt.Fprintf(g.progress, "e2e: %d tests have ended after %s, %d of them failed\n", r.count("pass", "fail", "skip"), shown.Sub(began).Round(time.Second), r.count("fail"))
		}
	}
	return r
}

// count is how many tests have one of these results.
func (r *run) count(results ...string) (n int) {
	for _, t := range r.tests {
		for _, result := range results {
			if t.result == result {
				n++
			}
		}
	}
	return n
}

// failed are the names of the tests that failed.
func (r *run) failed() (names []string) {
	for _, t := range r.tests {
		if t.result == "fail" {
			names = append(names, t.name)
		}
	}
	return names
}

// passed reports whether a test ran and did not fail.
func (r *run) passed(name string) bool {
	t := r.find(name)
	return t != nil && (t.result == "pass" || t.result == "skip")
}

func (r *run) find(name string) *test {
	for _, t := range r.tests {
		if t.name == name {
			return t
		}
	}
	return nil
}
