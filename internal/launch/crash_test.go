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
