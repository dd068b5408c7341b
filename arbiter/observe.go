package arbiter

import "time"

// What says what has happened.
type What int

// The events that an observer is told about.
const (
	WorkerStarted What = iota
	WorkerHung         // about to be asked for its stacks
	WorkerGone         // ended and reaped
	WorkersWanted      // the wanted number has changed
)

// Happening is one event in the life of the workers.
type Happening struct {
	What   What
	Place  Place
	PID    int
	Age    time.Duration
	Reason string // why it hangs, or how it ended
	Wanted int    // how many workers are wanted
	Before int    // how many were wanted before, for WorkersWanted; 0 at the start
}

// observe tells the observer, if there is one, what happened to a worker.
func (f *fleet) observe(what What, w *worker, reason string, now time.Duration) {
	if f.hooks.observer != nil {
		f.hooks.observer(Happening{What: what, Place: w.place, PID: w.pid, Age: now - w.started, Reason: reason, Wanted: f.size.target})
	}
}

// observeWanted tells the observer how many workers are wanted, if that has changed.
func (f *fleet) observeWanted() {
	if f.hooks.observer == nil || f.size.observed == f.size.target || f.phase != serving {
		return
	}
	f.hooks.observer(Happening{What: WorkersWanted, Wanted: f.size.target, Before: f.size.observed})
	f.size.observed = f.size.target
}
