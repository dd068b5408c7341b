package arbiter

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// Codes of the errors that are told here.
const (
	codeLoop    = "GON065"
	codeRequest = "GON066"
	codeGIL     = "GON067"
)

// explain logs what a worker says of a request, or a loop, that is held up.
// What it says is not trusted: it has the size of a notification, and how much
// of it is logged is bounded.
func (f *fleet) explain(w *worker, text string, now time.Duration) {
	var s wire.Stall
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		f.log.Debug("a worker's report of a stall is not understood", f.role, w.place.ID, "pid", w.pid, "error", err)
		return
	}
	what, cure, code := stallWords(s.Kind)
	if what == "" {
		return
	}
	more, ok := f.stalls.admit(w.pid, s.Kind+s.At, max(0, s.More), now)
	if !ok {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s for %s, at %s", what, s.Age.Round(100*time.Millisecond), s.At)
	if s.Source != "" {
		fmt.Fprintf(&b, ": %s", s.Source)
	}
	if more > 0 {
		fmt.Fprintf(&b, "; %d more like it", more)
	}
	if len(s.Stack) == 1 && strings.HasPrefix(s.Stack[0], s.At) {
		s.Stack = nil // it says the same
	}
	for _, line := range s.Stack {
		b.WriteString("\n  " + line)
	}
	fmt.Fprintf(&b, "\nwhat to do: %s", cure)
	f.warnOf(w, b.String(), code, s.ID, s.Method, s.Path)
}

// stallWords is what is said of each kind of stall, what to do, and its code.
func stallWords(kind string) (what, cure, code string) {
	switch kind {
	case wire.StallLoop:
		return "the event loop is blocked", "await an asynchronous call instead, or run this one in a thread (asyncio.to_thread, a def endpoint)", codeLoop
	case wire.StallHub:
		return "gevent's hub is blocked", "call what cooperates (what gevent patches; a driver that is made for it, as psycogreen makes psycopg2), " +
			"or run this in gevent.get_hub().threadpool", codeLoop
	case wire.StallAwait:
		return "a request waits", "give what it awaits a timeout (asyncio.timeout, the client's own); look who should release, answer or set it", codeRequest
	case wire.StallThread, wire.StallGreenlet:
		return "a request has no answer yet", "give the call a timeout, or hand long work to a queue; stall_warning says what is slow", codeRequest
	case wire.StallHandler:
		return "a request has no answer yet", "give the call a context with a timeout; stall_warning says what is slow", codeRequest
	}
	return "", "", ""
}

// stuck explains a worker that cannot explain itself: a command, and a Python
// worker whose interpreter stands still.
func (f *fleet) stuck(s wire.Stuck, now time.Duration) {
	w := f.find(s.PID, 0)
	if w == nil || w.place.Slot != s.Slot || w.stage == killed {
		return
	}
	kind, what, cure, code := "command", "", "", codeRequest
	switch {
	case !w.gen.Settings.Interpreter:
		what = "a command does not answer a request for " + s.InFlight.Age.Round(100*time.Millisecond).String()
		cure = fmt.Sprintf("look what it does (py-spy, node --inspect, strace -fp %d), or give it what it waits for", w.pid)
		if w.reach.endpoint.Address != "" {
			what += " at " + w.reach.endpoint.Address
		}
		if waits := f.procs.waits(w); waits != "" {
			what += "; " + waits
		}
	case f.procs.halted(w) != "":
		return // nothing of it runs, whatever the code: the heartbeat tells
	default:
		v, _ := f.procs.vitals(w)
		kind, code = "gil", codeGIL
		what = fmt.Sprintf("C code holds Python's GIL for %s: no thread of the worker runs Python", (now - v.pulse).Round(100*time.Millisecond))
		cure = "the stacks that follow show the call: make it in another process, or use a release of the library that gives up the GIL"
	}
	more, ok := f.stalls.admit(w.pid, fmt.Sprint(kind, w.place.ID), s.More, now)
	if !ok {
		return
	}
	if more > 0 {
		what += fmt.Sprintf("; %d more requests wait there", more)
	}
	f.warnOf(w, what+"\nwhat to do: "+cure, code, s.InFlight.ID, s.InFlight.Method, s.InFlight.Path)
	if kind == "gil" {
		f.stalls.shows(w.pid, now)
		f.procs.show(w)
	}
}

func (f *fleet) warnOf(w *worker, text, code, id, method, path string) {
	attrs := []any{f.role, w.place.ID, "pid", w.pid}
	if id != "" {
		attrs = append(attrs, "request", id, "method", method, "path", path)
	}
	f.log.Warn(text, append(attrs, "code", code)...)
}

// stallLog bounds what is logged of stalls: the same thing twice, and then
// once a minute, and of one worker a few things at once.
type stallLog struct {
	told    map[string]toldStall
	workers map[int]allowance     // by pid
	shown   map[int]time.Duration // by pid: when C code was asked for stacks, because the GIL was held
}

type toldStall struct {
	at   time.Duration
	wait time.Duration // until it is told again
	more int           // that were not told since
}

// allowance is what a worker may still say.
type allowance struct {
	left int
	at   time.Duration
}

const (
	stallSoon    = 5 * time.Second // until the same stall is told once more, with how many there are
	stallAgain   = time.Minute     // and then again
	stallBurst   = 5               // stalls that a worker may tell at once
	stallRefill  = 10 * time.Second
	stallsListed = 1000 // that are remembered
)

// shows takes note that a worker was asked for its stacks, which C code writes.
func (l *stallLog) shows(pid int, now time.Duration) {
	if l.shown == nil || len(l.shown) > stallsListed {
		l.shown = map[int]time.Duration{}
	}
	l.shown[pid] = now
}

// seen reports whether the stacks of a worker are in the log, and nothing of it
// has run since.
func (l *stallLog) seen(pid int, pulse time.Duration) bool {
	at, is := l.shown[pid]
	return is && pulse > 0 && pulse < at
}

// admit says whether a stall is told now, and how many were not since the last
// one like it, with the more that came along.
func (l *stallLog) admit(pid int, what string, more int, now time.Duration) (untold int, ok bool) {
	if l.told == nil || len(l.told) > stallsListed || len(l.workers) > stallsListed {
		l.told, l.workers = map[string]toldStall{}, map[int]allowance{}
	}
	a, known := l.workers[pid]
	if !known {
		a = allowance{left: stallBurst, at: now}
	}
	if n := int((now - a.at) / stallRefill); n > 0 {
		a.left, a.at = min(stallBurst, a.left+n), a.at+time.Duration(n)*stallRefill
	}
	last, seen := l.told[what]
	if seen && now-last.at < last.wait || a.left == 0 {
		if seen {
			last.more += 1 + more
			l.told[what] = last
		}
		l.workers[pid] = a
		return 0, false
	}
	a.left--
	l.workers[pid] = a
	wait := stallSoon
	if seen && now-last.at < 2*stallAgain {
		wait = stallAgain
	}
	l.told[what] = toldStall{at: now, wait: wait}
	return last.more + more, true
}
