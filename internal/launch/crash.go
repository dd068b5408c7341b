package launch

import (
	"log/slog"
	"strings"

	"github.com/gonicorn/gonicorn/internal/proc"
)

// crashLines is how much is logged of the stack of a process that panicked.
const crashLines = 16

// crash cuts what Go's run time writes when a process of gonicorn's own ends by
// a fault: one line says what, and hundreds of stacks are for level debug.
type crash struct {
	role  string
	log   *slog.Logger
	began bool
	left  int // lines that are still logged
}

// take logs a line of a crash; false says that it is none.
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
		c.left = crashLines // whoever mends it needs the first stack
	case strings.HasPrefix(line, "fatal error: "):
	default:
		return false
	}
	c.began = true
	c.log.Error(c.role+" crashes: "+line, "more", "all its stacks are logged with loglevel = debug", "code", "GON041")
	return true
}
