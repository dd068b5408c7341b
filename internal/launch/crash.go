package launch

import (
	"log/slog"
	"strings"
	"sync"

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
	reached
}

// noThread is how Go's runtime begins when it ends a process that gets no thread.
const noThread = "runtime: failed to create new OS thread"

// starved notices that a worker is ended by Go's runtime, since it gets no thread: a Go
// handler's, or what is about to become a command. The many lines that follow are
// logged at level debug. A child of the app may have written it as well; then the
// worker goes on.
type starved struct {
	log    *slog.Logger
	within bool // the lines of a crash
	reached
}

// reached is the limit of threads that a process has reached.
type reached struct {
	mu   sync.Mutex
	name string
}

func (r *reached) set(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = name
}

// limit names the limit; it is empty if there is none.
func (r *reached) limit() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.name
}

// take logs a line if it belongs to such a crash, and reports whether it does.
func (s *starved) take(line string) bool {
	switch {
	case strings.HasPrefix(line, noThread):
		s.within = true
		s.set(proc.ProcessLimit())
	case s.within && !ofCrash(line): // it goes on
		s.within = false
		s.set("")
	}
	if s.within {
		s.log.Debug(line)
	}
	return s.within
}

// ofCrash reports whether a line looks like one that Go's runtime writes in a crash:
// names, stacks, registers.
func ofCrash(line string) bool {
	for _, prefix := range []string{"runtime", "fatal error: ", "goroutine ", "created by ", "\t"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	call, _, isCall := strings.Cut(line, "(")
	register, value, _ := strings.Cut(line, " ")
	return line == "" || isCall && strings.HasSuffix(line, ")") && !strings.Contains(call, " ") ||
		len(register) <= len("rflags") && strings.HasPrefix(strings.TrimLeft(value, " "), "0x")
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
	case strings.HasPrefix(line, noThread):
		c.set(proc.ProcessLimit())
		line += ": " + c.limit()
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
