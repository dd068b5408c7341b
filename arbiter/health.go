package arbiter

import (
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// vitals is what a worker's slot showed at one moment.
type vitals struct {
	pulse        time.Duration // when the watcher thread of a Python worker last ran; 0 without one
	watched      bool          // there is a watcher thread
	beats        bool          // the process keeps its own heartbeat
	heartbeat    time.Duration
	requestStart time.Duration
	requestID    uint64
	requests     uint64
	inFlight     int64
	busy         time.Duration   // total time with requests in flight
	lag          time.Duration   // of the event loop
	waiting      int             // of a gateway: requests that wait for a worker
	waitingSince time.Duration   // 0 if none waits
	answers      uint64          // responses that were sent
	errors       uint64          // responses with 5xx
	claims       []time.Duration // start of each request in flight, if the worker claims them
}

// most bounds the counts that a slot may show. No real count is larger, and a
// sum over all slots does not overflow.
const most = 1 << 40

// readVitals reads a slot at now. Its process may have written anything there,
// so impossible values are clamped: sums and differences stay sensible.
func readVitals(s *scoreboard.Slot, account *scoreboard.Measure, now time.Duration) vitals {
	v := vitals{
		pulse:        time.Duration(s.Pulse.Load()),
		watched:      s.Watcher.Load() != 0,
		beats:        s.Beats.Load() != 0,
		heartbeat:    past(s.Heartbeat.Load(), now),
		requestStart: past(s.RequestStart.Load(), now),
		requestID:    s.RequestID.Load(),
		busy:         past(s.BusyNanos.Load(), most*time.Microsecond),
		requests:     min(s.Requests.Load(), most),
		inFlight:     max(0, min(s.InFlight.Load(), most)),
		lag:          past(s.LoopLag.Load(), now),
		waiting:      int(max(0, min(s.Waiting.Load(), most))),
		waitingSince: past(s.WaitingSince.Load(), now),
		answers:      min(account.Answers.Load(), most),
		errors:       min(account.Errors.Load(), most),
	}
	for i := range s.Claim {
		v.add(&s.Claim[i], now)
	}
	return v
}

// add adds what one thread of the worker shows.
func (v *vitals) add(c *scoreboard.Claim, now time.Duration) {
	v.requests = min(v.requests+min(c.Done.Load(), most), most)
	v.busy = min(v.busy+past(c.Busy.Load(), most*time.Microsecond), most*time.Microsecond)
	id := c.ID.Load()
	if id <= scoreboard.Taking {
		return
	}
	start := past(c.Start.Load(), now)
	if start == 0 {
		start = now // not visible yet: only x86 keeps the order in which Python stores the two
	}
	v.claims = append(v.claims, start)
	v.inFlight = max(v.inFlight, int64(len(v.claims)))
	if v.requestStart == 0 || start < v.requestStart {
		v.requestStart, v.requestID = start, id
	}
}

// past limits a time or a duration to the range from 0 to now.
func past(nanos int64, now time.Duration) time.Duration {
	return max(0, min(time.Duration(nanos), now))
}

// boundsRequests reports whether one old request makes a worker count as hung.
func (s *Settings) boundsRequests() bool { return s.RequestAge && s.RequestTimeout > 0 }

// besides counts the requests in flight that are not hung themselves.
func (v *vitals) besides(now, timeout time.Duration) int {
	if v.claims == nil {
		return max(0, int(v.inFlight)-1)
	}
	n := 0
	for _, start := range v.claims {
		if now-start <= timeout {
			n++
		}
	}
	return n
}

// silent is how long the process has given no heartbeat; 0 if it keeps none.
func (v *vitals) silent(w *worker, now time.Duration) time.Duration {
	switch {
	case !w.gen.Settings.Heartbeat:
		return 0
	case v.beats:
		return max(0, now-max(v.heartbeat, w.readyAt))
	case v.watched && v.pulse > 0: // a Python thread keeps the pulse, unless C code in the app keeps it from running
		return max(0, now-max(min(v.pulse, now), w.readyAt)-pulseLate)
	}
	return 0
}

// haltLook is the time between two checks whether the kernel runs a worker. A
// worker without a request shows no other sign that it was stopped.
func haltLook(timeout time.Duration) time.Duration { return min(timeout/4, 5*time.Second) }

// lookHalted checks periodically whether the kernel runs a worker.
func (f *fleet) lookHalted(w *worker, now time.Duration) {
	s := w.gen.Settings
	if s.Timeout <= 0 || w.stage == booting || now < w.halted.look {
		return
	}
	w.halted.look = now + haltLook(s.Timeout)
	if w.halted.why = f.procs.halted(w); w.halted.why == "" {
		w.halted.since = 0
	} else if w.halted.since == 0 {
		w.halted.since = now
	}
}

// lifeless says why the whole process of a worker counts as hung at now, or "".
func lifeless(w *worker, v vitals, now time.Duration) string {
	s := w.gen.Settings
	if s.Timeout <= 0 {
		return ""
	}
	// It may have been halted up to haltLook before that was noticed.
	if w.halted.since > 0 && now-w.halted.since >= s.Timeout-haltLook(s.Timeout) {
		return fmt.Sprintf("the process is %s (timeout %s)", w.halted.why, s.Timeout)
	}
	if silent := v.silent(w, now); silent > s.Timeout {
		return fmt.Sprintf("no heartbeat for %s (timeout %s)", silent.Round(time.Millisecond), s.Timeout)
	}
	return ""
}

// hung says why a worker counts as hung at now, or "". The worker itself wrote
// the values in its slot: false ones harm only that worker.
func hung(w *worker, v vitals, now time.Duration) string {
	s := w.gen.Settings
	switch {
	case w.stage == booting && s.BootTimeout > 0 && now-w.started > s.BootTimeout:
		return fmt.Sprintf("not ready after %s (boot_timeout)%s", s.BootTimeout, w.hint())
	case w.stage != ready && w.stage != draining:
		return ""
	case w.stage == draining && v.inFlight == 0 && v.requestStart == 0:
		return "" // its heartbeat may stop before it exits
	case s.boundsRequests() && v.requestStart > 0 && now-v.requestStart > s.RequestTimeout:
		why := fmt.Sprintf("a request has been running for %s (request_timeout %s)",
			(now - v.requestStart).Round(time.Millisecond), s.RequestTimeout)
		if w.halted.since > 0 { // which is not the request's fault
			why += "; the process is " + w.halted.why
		}
		return why
	case s.Timeout > 0 && w.stage == ready && w.said.watchdog > 0 && now-w.said.watchdog > s.Timeout:
		return fmt.Sprintf("no WATCHDOG=1 for %s (timeout %s)", (now - w.said.watchdog).Round(time.Millisecond), s.Timeout)
	}
	return lifeless(w, v, now)
}

// worn marks a serving worker if it should be replaced, and reports whether it should.
func worn(w *worker, v vitals, maxRequests uint64, now time.Duration) bool {
	switch {
	case w.leaving.wanted.given():
	case maxRequests > 0 && v.requests >= maxRequests:
		w.retireFor(byMaxRequests, false)
	case w.leaving.expires > 0 && now >= w.leaving.expires:
		w.retireFor(byMaxLifetime, false)
	}
	return w.leaving.wanted.given()
}
