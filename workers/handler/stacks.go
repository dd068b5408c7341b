package handler

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/workers"
)

const (
	stackBytes  = 4 << 20
	heldShown   = 100 // requests in flight, the oldest first
	targetShown = 200 // bytes of a request's target
)

// writeStacks writes what the worker is doing: the requests in flight and the
// stack of every goroutine, including one that spins.
func (p *process) writeStacks(w io.Writer) {
	var b bytes.Buffer
	held, all := p.meter.InFlight(heldShown)
	fmt.Fprintf(&b, "worker %d (pid %d) has %d requests in flight and %d connections\n",
		p.info.ID, p.info.PID, all, p.meter.Connections())
	for i := range held {
		fmt.Fprintf(&b, "%s\n", describe(held[i:i+1]))
	}
	stacks := make([]byte, 64<<10)
	n := runtime.Stack(stacks, true)
	for n == len(stacks) && n < stackBytes {
		stacks = make([]byte, 4*n)
		n = runtime.Stack(stacks, true)
	}
	b.Write(stacks[:n])
	b.WriteByte('\n')
	_, _ = w.Write(b.Bytes()) // an error cannot be reported anywhere else
}

// describe shows a request as "request 7: GET /slow, running for 1.5s".
func describe(held []workers.InFlight) string {
	if len(held) == 0 {
		return "none"
	}
	r := held[0]
	return fmt.Sprintf("request %d: %s %s, running for %s", r.ID, printable(r.Verb), printable(r.Target),
		r.Age.Round(time.Millisecond))
}

// printable keeps a client from writing lines of its own into the log.
func printable(s string) string {
	if len(s) > targetShown {
		s = s[:targetShown] + "..."
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// oneLine replaces line breaks, which a notification cannot have.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
