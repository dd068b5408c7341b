package arbiter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// watch looks at every worker that is not leaving. It makes workers ready that
// count as ready by their age, and aborts hung ones.
func (f *fleet) watch(now time.Duration) time.Duration {
	wake := forever
	for _, s := range slices.Clone(f.positions) {
		for _, w := range []*worker{s.current, s.next} {
			if w == nil || !w.stage.wanted() {
				continue
			}
			if after := w.gen.Settings.ReadyAfter; w.stage == booting && after > 0 {
				if now-w.started >= after {
					f.becameReady(w, now)
				} else {
					wake = min(wake, w.started+after)
				}
			}
			f.lookHalted(w, now)
			v, _ := f.procs.vitals(w)
			if reason := hung(w, v, now); reason != "" && now >= f.blindUntil {
				f.abort(w, now, reason)
				f.vacate(s, w, now, reason)
				continue
			}
			wake = min(wake, f.nextLook(w, now))
		}
	}
	return wake
}

// lookAgain is how soon a slot is read again to enforce this timeout.
func lookAgain(timeout time.Duration) time.Duration {
	return min(time.Second, max(timeout/4, 10*time.Millisecond))
}

// nextLook is when a worker's slot must be read again: often enough that a
// hang is noticed within a quarter of its timeout.
func (f *fleet) nextLook(w *worker, now time.Duration) time.Duration {
	s := w.gen.Settings
	wake := forever
	if w.stage == booting {
		if s.BootTimeout > 0 {
			wake = w.started + s.BootTimeout + time.Millisecond
		}
		return wake
	}
	if s.Timeout > 0 && (s.Heartbeat || w.said.watchdog > 0) {
		wake = now + lookAgain(s.Timeout)
	}
	if s.boundsRequests() {
		wake = min(wake, now+lookAgain(s.RequestTimeout))
	}
	if s.MaxRequests > 0 {
		wake = min(wake, now+time.Second)
	}
	if w.leaving.expires > now {
		wake = min(wake, w.leaving.expires)
	}
	return wake
}

// becameReady records that a worker serves.
func (f *fleet) becameReady(w *worker, now time.Duration) {
	if w.stage != booting {
		return
	}
	f.move(w, ready, reason{})
	w.readyAt, f.history.bootTime = max(now, 1), now-w.started
	f.log.Info(f.role+" ready", f.role, w.place.ID, "pid", w.pid, "after", (now - w.started).Round(time.Millisecond))
	if w.gen == f.current {
		f.history.everReady, f.reloaded.stale = true, ""
	}
	if !f.history.allReady {
		f.history.allReady = !slices.ContainsFunc(f.positions, func(s *position) bool {
			return !s.fresh && (s.current == nil || s.current.stage != ready)
		}) && f.committed() == f.size.target
	}
}

// mayBeReady makes a worker ready if nothing is missing any more.
func (f *fleet) mayBeReady(w *worker, now time.Duration) {
	if s := w.gen.Settings; w.said.ready || !s.Notifies {
		if !w.reach.probed || w.reach.endpoint != (Endpoint{}) {
			f.becameReady(w, now)
		}
	}
}

// probed records that a worker accepts connections.
func (f *fleet) probed(e probed, now time.Duration) {
	w := f.find(e.pid, 0)
	if w == nil || !w.stage.wanted() {
		return
	}
	if e.err != nil {
		f.log.Debug(f.role+" cannot be probed", f.role, w.place.ID, "pid", w.pid, "error", e.err)
		return
	}
	w.reach.endpoint = e.endpoint
	f.mayBeReady(w, now)
}

// idled lets a leaving worker go: the gateway has nothing in flight there any
// more, except requests that hang.
func (f *fleet) idled(slot, pid int, now time.Duration) {
	for _, w := range f.leaving {
		if w.pid != pid || w.place.Slot != slot {
			continue
		}
		if w.leaving.termWait == untilIdle {
			f.let(w)
		}
		if w.stage == stalled {
			f.showStacks(w, now, reason{})
		}
	}
}

// brokeOff kills a worker that sent the gateway invalid data. The gateway reads
// nothing more from it, so every request that it takes from the queue is lost.
func (f *fleet) brokeOff(slot, pid int, now time.Duration) {
	w := f.find(pid, 0)
	if w == nil || w.place.Slot != slot || w.reaped || w.stage == killed {
		return
	}
	wanted := w.stage.wanted()
	why := reason{} // stays empty if the worker leaves already
	if wanted {
		why = because(byNonsense)
		f.leaving = append(f.leaving, w)
	}
	f.move(w, killed, why)
	w.leaving.termWait = noWait
	f.log.Error(f.role+" is killed: it sent the gateway invalid data", f.role, w.place.ID, "pid", w.pid)
	f.procs.kill(w)
	if s := f.positionOf(w); wanted && s != nil {
		f.vacate(s, w, now, w.leaving.because.String())
	}
}

// notified handles what a worker sent to its NOTIFY_SOCKET (sd_notify(3)).
// Unknown keys are ignored, as sd_notify says.
func (f *fleet) notified(w *worker, fields map[string]string, now time.Duration) {
	if s, ok := fields["STATUS"]; ok {
		w.said.status = s
	}
	if s, ok := fields[wire.NotifyError]; ok {
		w.said.fault = s
	}
	if s, ok := fields[wire.NotifyStall]; ok {
		f.explain(w, s, now)
	}
	if fields["WATCHDOG"] == "1" {
		w.said.watchdog = now
	}
	if fields["READY"] == "1" {
		w.said.ready = true
		f.mayBeReady(w, now)
	}
	if fields["WATCHDOG"] == "trigger" && w.stage.wanted() {
		f.lostHung(w, now, "it sent WATCHDOG=trigger")
	}
	if reason, ok := fields[wire.NotifyRetire]; ok {
		f.asksToRetire(w, reason)
	}
	if fields["STOPPING"] == "1" && w.stage.wanted() {
		f.departs(w, now)
	}
}

func (f *fleet) lostHung(w *worker, now time.Duration, reason string) {
	f.abort(w, now, reason)
	if s := f.positionOf(w); s != nil {
		f.vacate(s, w, now, reason)
	}
}

// departs drains a worker that has announced that it stops.
func (f *fleet) departs(w *worker, now time.Duration) {
	f.move(w, draining, because(byItself))
	w.leaving.deadline = now + w.gen.Settings.GracefulTimeout
	f.leaving = append(f.leaving, w)
	f.log.Info(f.role+" stops by itself", f.role, w.place.ID, "pid", w.pid)
	if s := f.positionOf(w); s != nil {
		f.vacate(s, w, now, w.leaving.because.String())
	}
}

func (f *fleet) positionOf(w *worker) *position {
	for _, s := range f.positions {
		if s.current == w || s.next == w {
			return s
		}
	}
	return nil
}

// vacate removes a lost worker from its position.
func (f *fleet) vacate(s *position, w *worker, now time.Duration, reason string) {
	candidate := f.candidate != nil && w.gen == f.candidate.gen
	if s.current == w {
		s.current = nil
	} else {
		s.next = nil
	}
	if candidate {
		f.abandon(now, fmt.Sprintf("worker %d of the new generation: %s%s", w.place.ID, reason, lastWords(w)))
		return
	}
	f.vacated(s, w, now)
}

// exited records that a worker's process has ended and been reaped. It returns
// nil if the worker does not belong to this fleet.
func (f *fleet) exited(exit proc.Exit, why string, now time.Duration) *worker {
	w := f.find(exit.PID, 0)
	if w == nil {
		return nil
	}
	f.observe(WorkerGone, w, why, now)
	was := w.stage
	if !was.wanted() {
		f.move(w, gone, reason{})
		f.history.ends[w.end()]++
		f.leaving = slices.DeleteFunc(f.leaving, func(x *worker) bool { return x == w })
		f.log.Info(f.role+" gone", f.role, w.place.ID, "pid", w.pid, "exit", why, "reason", w.leaving.because.String())
		return w
	}
	if w.said.fault != "" {
		why += ": " + w.said.fault
	}
	level := slog.LevelError
	if limit := w.limit(); limit != "" {
		why += ": it got no thread: " + limit
		if w.starved() && f.history.limitLevel(now) < level {
			level = slog.LevelInfo
		}
	}
	f.log.Log(context.Background(), level, f.role+" lost", f.role, w.place.ID, "pid", w.pid, "exit", why, "was", was.String(),
		"age", (now - w.started).Round(time.Millisecond), "code", "GON041")
	f.move(w, gone, reason{byCrash, why})
	f.history.ends[w.end()]++
	f.reportLost(w, why, now)
	f.vacate(f.positionOf(w), w, now, why)
	return w
}

// lastWords is the end of a worker's output, for the message about its end.
func lastWords(w *worker) string {
	if w.said.fault != "" || w.output == nil {
		return ""
	}
	tail := w.output.Tail()
	if len(tail) == 0 {
		return ""
	}
	return "; its last output:\n  " + strings.Join(tail, "\n  ")
}
