package arbiter

import (
	"syscall"
	"time"
)

const (
	abortGrace = 2 * time.Second // between ABRT and KILL: time to write stacks
	quickGrace = 2 * time.Second // between INT and KILL on a quick stop
)

// leave tells a worker to finish and go.
func (f *fleet) leave(w *worker, now time.Duration, why reason) {
	if w == nil || !w.stage.wanted() {
		return
	}
	w.leaving.termWait = f.hooks.termWaitFor(w)
	f.move(w, draining, why)
	w.leaving.deadline = now + w.gen.Settings.GracefulTimeout
	if w.leaving.termWait == untilAlone {
		w.leaving.deadline += w.gen.Settings.GracefulTimeout // the old gateway's
	}
	f.leaving = append(f.leaving, w)
	f.log.Info(f.role+" is told to finish", f.role, w.place.ID, "pid", w.pid, "reason", why.String())
	if w.leaving.termWait == noWait {
		f.procs.signal(w, syscall.SIGTERM)
	}
}

// let sends a leaving worker the TERM that was delayed.
func (f *fleet) let(w *worker) {
	w.leaving.termWait = noWait
	if w.stage == draining {
		f.procs.signal(w, syscall.SIGTERM)
	}
}

// letAll sends leaving workers the TERM that was delayed: only those that wait
// for the old gateway to end, or, with all, every one.
func (f *fleet) letAll(all bool) {
	for _, w := range f.leaving {
		if w.leaving.termWait == untilAlone || all && w.leaving.termWait != noWait {
			f.let(w)
		}
	}
}

// lastMoment is how long before its deadline a leaving worker gets its TERM even
// if it never became idle.
func (w *worker) lastMoment() time.Duration {
	return min(quickGrace, w.gen.Settings.GracefulTimeout/4)
}

// quit tells a worker to go without finishing.
func (f *fleet) quit(w *worker, now time.Duration) {
	if w == nil {
		return
	}
	if w.stage.wanted() {
		f.leaving = append(f.leaving, w)
	}
	if w.stage == killed || w.stage == quick {
		return
	}
	f.move(w, quick, because(byQuickStop))
	w.leaving.termWait = noWait
	w.leaving.deadline = min(now+quickGrace, now+w.gen.Settings.GracefulTimeout)
	f.procs.signal(w, syscall.SIGINT)
}

// abort makes a hung worker show its stacks and go. One behind a gateway may
// finish its other requests first.
func (f *fleet) abort(w *worker, now time.Duration, why string) {
	f.leaving = append(f.leaving, w)
	w.leaving.hung = true
	f.reportLost(w, why, now)
	s := w.gen.Settings
	v, _ := f.procs.vitals(w)
	others := v.besides(now, s.RequestTimeout)
	if w.stage == ready && s.Gated && s.boundsRequests() && others > 0 && lifeless(w, v, now) == "" {
		f.move(w, stalled, reason{byHanging, why})
		w.leaving.deadline = now + s.GracefulTimeout
		f.log.Error(f.role+" hangs: it may finish its other requests", f.role, w.place.ID, "pid", w.pid,
			"reason", why, "others", others)
		return
	}
	f.showStacks(w, now, reason{byHanging, why})
}

// showStacks makes a hung worker show its stacks and go. why is empty for a
// worker that was told to go before.
func (f *fleet) showStacks(w *worker, now time.Duration, why reason) {
	f.move(w, aborting, why)
	w.leaving.deadline = now + abortGrace
	v, _ := f.procs.vitals(w)
	seen := f.stalls.seen(w.pid, v.pulse)
	asking := "asking for its stacks"
	if seen {
		asking = "its stacks are in the log already"
	}
	f.log.Error(f.role+" hangs: "+asking, f.role, w.place.ID, "pid", w.pid, "reason", w.leaving.because.String(),
		"code", "GON040")
	f.observe(WorkerHung, w, w.leaving.because.String(), now)
	if w.gen.Settings.Interpreter && !seen {
		f.procs.show(w) // ABRT would need the main thread to run Python
	}
	f.procs.signal(w, syscall.SIGABRT)
}

// watchDraining aborts a worker that hangs while it drains: it would not finish
// in time. It returns when to look again.
func (f *fleet) watchDraining(w *worker, now time.Duration) time.Duration {
	f.lookHalted(w, now)
	v, _ := f.procs.vitals(w)
	if why := hung(w, v, now); why != "" && now >= f.blindUntil {
		w.leaving.hung = true
		f.showStacks(w, now, reason{w.leaving.because.cause, w.leaving.because.String() + "; " + why})
		return w.leaving.deadline
	}
	return f.nextLook(w, now)
}

// enforce kills the leaving workers that have run out of time.
func (f *fleet) enforce(now time.Duration) time.Duration {
	wake := forever
	for _, w := range f.leaving {
		if w.stage == killed || w.reaped { // its last output may still be read
			continue
		}
		if w.stage == stalled {
			v, _ := f.procs.vitals(w)
			f.lookHalted(w, now)
			if now >= w.leaving.deadline || v.besides(now, w.gen.Settings.RequestTimeout) == 0 || lifeless(w, v, now) != "" {
				f.showStacks(w, now, reason{})
			} else {
				wake = min(wake, now+50*time.Millisecond)
				continue
			}
		}
		if w.leaving.termWait == untilIdle {
			if last := w.leaving.deadline - w.lastMoment(); now < last {
				wake = min(wake, last)
			} else {
				f.let(w)
			}
		}
		if w.stage == draining && now < w.leaving.deadline {
			wake = min(wake, f.watchDraining(w, now))
		}
		if now < w.leaving.deadline {
			wake = min(wake, w.leaving.deadline)
			continue
		}
		f.log.Warn(f.role+" did not go in time: killing its process group", f.role, w.place.ID, "pid", w.pid, "reason", w.leaving.because.String())
		f.move(w, killed, reason{})
		f.procs.kill(w)
	}
	return wake
}
