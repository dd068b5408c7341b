package launch

import (
	"log/slog"
	"strings"

	"github.com/gonicorn/gonicorn/internal/proc"
)

// crashLines is how many lines of a panicking process's stack are logged.
const crashLines = 16

// crash shortens what Go's runtime writes when one of gonicorn's own processes
// crashes: one line says why, and the many stacks are logged at level debug.
type crash struct {
	role  string
	log   *slog.Logger
	began bool
	left  int // lines that are still logged as errors
}

// take logs a line if it belongs to a crash, and reports whether it does.
func (c *crash) take(line string) bool {
	if c.began {
		switch c.left--; {
		case c.left >= 0:
			c.log.Error(line)
		default:
			c.log.Debug(line)
		}
		return true
	}
	switch {
	case strings.HasPrefix(line, "runtime: failed to create new OS thread"):
		line += ": " + proc.ProcessLimit()
	case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "SIGSEGV: "), strings.HasPrefix(line, "unexpected fault address"):
		c.left = crashLines // the first stack is needed to fix the fault
	case strings.HasPrefix(line, "fatal error: "):
	default:
		return false
	}
	c.began = true
	c.log.Error(c.role+" crashes: "+line, "more", "all its stacks are logged with loglevel = debug", "code", "GON041")
	return true
}
