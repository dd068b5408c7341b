package arbiter

import "time"

// What says what has happened.
type What int

// What an observer is told of.
const (
	WorkerStarted What = iota
	WorkerHung         // it is about to be asked for its stacks
	WorkerGone         // it has ended and is reaped
	WorkersWanted      // their number was changed
)

// Happening is one thing that has happened to the workers.
type Happening struct {
	What   What
	Place  Place
	PID    int
	Age    time.Duration
	Reason string // why it hangs, or how it ended
	Wanted int    // how many workers are wanted
	Before int    // how many were, for WorkersWanted; 0 at the start
}

// observe tells the observer, if there is one, of a worker.
func (f *fleet) observe(what What, w *worker, reason string, now time.Duration) {
	if f.hooks.observer != nil {
		f.hooks.observer(Happening{What: what, Place: w.place, PID: w.pid, Age: now - w.started, Reason: reason, Wanted: f.size.target})
	}
}

// observeWanted tells it how many workers are wanted, when that has changed.
func (f *fleet) observeWanted() {
	if f.hooks.observer == nil || f.size.observed == f.size.target || f.phase != serving {
		return
	}
	f.hooks.observer(Happening{What: WorkersWanted, Wanted: f.size.target, Before: f.size.observed})
	f.size.observed = f.size.target
}
