package arbiter

import (
	"fmt"
	"strconv"
	"time"
)

const (
	statusEvery = 5 * time.Second
	extendEvery = 5 * time.Second
	extendBy    = 20 * time.Second
)

// herald is what the service manager was last told.
type herald struct {
	state        string
	status       string
	nextStatus   time.Duration
	nextWatchdog time.Duration
	nextExtend   time.Duration
	requests     uint64
	since        time.Duration
}

// tell sends the service manager our state (sd_notify(3)). Every pass of the
// loop calls it, so its watchdog message shows that the loop is alive.
func (a *Arbiter) tell(now time.Duration) time.Duration {
	if a.Tell == nil {
		return forever
	}
	h := &a.herald
	if state := a.state(); state != h.state {
		h.state, h.nextStatus, h.nextExtend = state, 0, 0
		switch state {
		case "ready":
			a.Tell("READY=1")
		case "reloading":
			a.Tell("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Microseconds(), 10))
		case "stopping":
			a.Tell("STOPPING=1")
		}
	}
	wake := forever
	if a.Watchdog > 0 {
		if now >= h.nextWatchdog {
			h.nextWatchdog = now + a.Watchdog/2
			a.Tell("WATCHDOG=1")
		}
		wake = h.nextWatchdog
	}
	if h.state == "starting" || h.state == "stopping" {
		if now >= h.nextExtend {
			h.nextExtend = now + extendEvery
			a.Tell("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(extendBy.Microseconds(), 10))
		}
		wake = min(wake, h.nextExtend)
	}
	if now >= h.nextStatus {
		h.nextStatus = now + statusEvery
		if status := a.statusLine(now); status != h.status {
			h.status = status
			a.Tell("STATUS=" + status)
		}
	}
	return min(wake, h.nextStatus)
}

// state is the arbiter's state in the terms of sd_notify(3).
func (a *Arbiter) state() string {
	switch {
	case a.ending.by > 0 || a.workers.phase >= stopping:
		return "stopping"
	case !a.ending.readyCalled:
		return "starting"
	case a.reloads.loading || a.reloads.wanted || a.workers.candidate != nil:
		return "reloading"
	}
	return "ready"
}

// statusLine is one line such as "4/4 workers, 312 req/s".
func (a *Arbiter) statusLine(now time.Duration) string {
	isReady, requests := 0, uint64(0)
	for _, w := range a.workers.workers() {
		if w.stage == ready {
			isReady++
		}
		v, _ := a.children.kernel.vitals(w)
		requests += v.requests
	}
	line := fmt.Sprintf("%d/%d workers", isReady, a.workers.size.target)
	h := &a.herald
	if h.since > 0 && requests >= h.requests && now > h.since {
		line += fmt.Sprintf(", %.0f req/s", float64(requests-h.requests)/(now-h.since).Seconds())
	}
	h.requests, h.since = requests, now
	switch {
	case a.herald.state != "ready":
		line = a.herald.state + ": " + line
	case a.workers.reloaded.lastFault != "":
		line += "; the last reload failed"
	}
	return line
}
