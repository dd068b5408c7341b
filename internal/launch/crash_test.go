package launch

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestCrashIsCut(t *testing.T) {
	for first, most := range map[string]int{
		"runtime: failed to create new OS thread (have 13 already; errno=11)": 1,
		"fatal error: newosproc":                                     1,
		"panic: runtime error: index out of range [3] with length 3": 1 + crashLines,
	} {
		var said bytes.Buffer
		c := &crash{role: "gateway", log: slog.New(slog.NewTextHandler(&said, nil))}
		if c.take("an ordinary line") || c.take("goroutine 1 [running]:") {
			t.Error("a line that is not a crash's is taken for one: a diagnosis would be cut")
		}
		for i := range 650 {
			line := fmt.Sprintf("goroutine %d [running]:", i)
			if i == 0 {
				line = first
			}
			if !c.take(line) {
				t.Fatalf("line %d is not cut", i)
			}
		}
		if n := strings.Count(said.String(), "\n"); n != most {
			t.Errorf("%q: %d lines, want %d", first, n, most)
		}
		if !strings.Contains(said.String(), "gateway crashes: ") || !strings.Contains(said.String(), "GON041") {
			t.Errorf("%s", said.String())
		}
	}
}

// What Go's runtime writes of a worker that gets no thread is cut, as long as it is that.
func TestStarvedWorkerIsCut(t *testing.T) {
	var said bytes.Buffer
	s := &starved{log: slog.New(slog.NewTextHandler(&said, nil))}
	of := []string{
		"runtime: failed to create new OS thread (have 2 already; errno=11)", "runtime: may need to increase max user processes (ulimit -u)",
		"fatal error: newosproc", "", "runtime stack:", "runtime.throw({0x97bfd1?, 0x0?})", "\t/usr/local/go/src/runtime/panic.go:1073 +0x48",
		"goroutine 1 gp=0xc000002380 m=0 mp=0xd2cf60 [running]:", "main.main()", "created by main.main in goroutine 1", "rax    0x0", "rip    0x46e641",
	}
	if s.take(of[3]) || s.take(of[7]) || s.limit() != "" {
		t.Error("a line is cut, or a limit known, before there is a crash")
	}
	for _, line := range of {
		if !s.take(line) || s.limit() == "" {
			t.Errorf("%q is not cut, or the limit is not known: %q", line, s.limit())
		}
	}
	if s.take("GET /: the tool has failed (exit code 2)") || s.limit() != "" {
		t.Error("a worker that goes on is taken for one that got no thread")
	}
	if said.Len() > 0 {
		t.Errorf("logged: %s", said.String())
	}
}
