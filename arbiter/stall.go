package arbiter

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// Codes of the errors that are logged here.
const (
	codeLoop    = "GON065"
	codeRequest = "GON066"
	codeGIL     = "GON067"
)

// explain logs a worker's report of a request or a loop that is stalled. The
// report is not trusted: it is no larger than a notification, and the rate at
// which reports are logged is bounded.
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

// stallWords returns what to log of each kind of stall, the advice, and the code.
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

// stuck logs a stall of a worker that cannot report it itself: a command, or a
// Python worker whose interpreter does not run.
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
		return // the process does not run at all: the missing heartbeat will show that
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

// stallLog bounds what is logged of stalls. The same stall is logged twice, and
// then once a minute. One worker gets a few lines at once.
type stallLog struct {
	told    map[string]toldStall
	workers map[int]allowance     // by pid
	shown   map[int]time.Duration // by pid: when C code was asked for the stacks, because the GIL was held
}

type toldStall struct {
	at   time.Duration
	wait time.Duration // until it may be logged again
	more int           // not logged since then
}

// allowance is how many stalls of a worker may still be logged.
type allowance struct {
	left int
	at   time.Duration
}

const (
	stallSoon    = 5 * time.Second // until the same stall is logged a second time, with a count
	stallAgain   = time.Minute     // and each time after that
	stallBurst   = 5               // stalls of one worker that may be logged at once
	stallRefill  = 10 * time.Second
	stallsListed = 1000 // stalls, and workers, that are remembered
)

// shows records that C code was asked for the stacks of a worker.
func (l *stallLog) shows(pid int, now time.Duration) {
	if l.shown == nil || len(l.shown) > stallsListed {
		l.shown = map[int]time.Duration{}
	}
	l.shown[pid] = now
}

// seen reports whether the stacks of a worker are in the log and its interpreter
// has not run since.
func (l *stallLog) seen(pid int, pulse time.Duration) bool {
	at, is := l.shown[pid]
	return is && pulse > 0 && pulse < at
}

// admit says whether a stall is logged now, and how many like it there were
// since the last one that was logged. more is how many others this report counts.
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
