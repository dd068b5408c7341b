package arbiter

import (
	"fmt"
	"slices"
)

// stage is where a worker is in its life.
type stage int

const (
	booting  stage = iota // started, not ready
	ready                 // serving
	draining              // asked to finish what it has
	quick                 // asked to go at once, whatever it has
	stalled               // hung: gets no more requests, and may finish its others
	aborting              // hung: told to show its stacks and go
	killed                // SIGKILL was sent to its process group
	gone                  // its process has ended and was reaped
)

func (s stage) String() string {
	return [...]string{"booting", "ready", "draining", "quitting", "stalled", "aborting", "killed", "gone"}[s]
}

// wanted reports whether a worker in this stage boots or serves.
func (s stage) wanted() bool { return s <= ready }

// transition is one change of a worker's stage.
type transition struct {
	from, to stage
	on       string // what causes it, for the diagram
}

// transitions lists all allowed changes. docs/ARCHITECTURE.md shows them as a
// diagram, which a test compares with this table.
func transitions() []transition {
	return []transition{
		{booting, ready, "READY=1, accepts connections, or boot_grace"},
		{booting, draining, "wanted no more, or STOPPING=1"},
		{booting, quick, "INT, QUIT"},
		{booting, aborting, "boot_timeout"},
		{booting, killed, "sent the gateway invalid data"},
		{booting, gone, "crash"},
		{ready, draining, "wanted no more, or STOPPING=1"},
		{ready, quick, "INT, QUIT"},
		{ready, stalled, "a request hangs, others are in flight"},
		{ready, aborting, "timeout"},
		{ready, killed, "sent the gateway invalid data"},
		{ready, gone, "crash"},
		{draining, quick, "INT, QUIT"},
		{draining, aborting, "timeout"},
		{draining, killed, "graceful_timeout"},
		{draining, gone, "exit"},
		{quick, killed, "2 s"},
		{quick, gone, "exit"},
		{stalled, aborting, "the others are done, or graceful_timeout"},
		{stalled, quick, "INT, QUIT"},
		{stalled, killed, "sent the gateway invalid data"},
		{stalled, gone, "exit"},
		{aborting, quick, "INT, QUIT"},
		{aborting, killed, "2 s"},
		{aborting, gone, "exit"},
		{killed, gone, "exit"},
	}
}

// cause says why a worker was told to go. It is only for messages and counts,
// not for decisions.
type cause int

const (
	noCause cause = iota
	byReload
	byFailedReload
	bySuperseding
	byStop
	byDrain
	byScaling
	byMaxRequests
	byMaxLifetime
	byMaxMemory
	byMemoryBudget
	byRefork
	byUndoneRefork
	byRestart
	byTrialsEnd
	byQuickStop
	byHanging
	byNonsense
	byItself
	byAsking // it asked to be replaced, for a reason that is not known here
	byCrash
)

func (c cause) String() string {
	return [...]string{
		"", "reload", "reload failed", "superseded by a newer reload", "stop", "drained", "scaled down", "max_requests", "max_lifetime",
		"max_memory", "memory_budget", "refork_after", "refork_after undone", "restart", "its trial is over", "quick stop", "hung", "it sent the gateway invalid data",
		"it said STOPPING=1", "it asked for it", "crashed",
	}[c]
}

// askedCause is the cause that a worker gives when it asks to be replaced.
func askedCause(word string) cause {
	for _, c := range []cause{byMaxRequests, byRefork} {
		if c.String() == word {
			return c
		}
	}
	return byAsking
}

// reason is a cause with details for people.
type reason struct {
	cause  cause
	detail string // empty if the cause says it all
}

func because(c cause) reason { return reason{cause: c} }

func (r reason) given() bool { return r.cause != noCause }

func (r reason) String() string {
	if r.detail != "" {
		return r.detail
	}
	return r.cause.String()
}

// to moves a worker to a stage, and records why if that is given. Every change
// of a worker's stage is made here. A change that is not in the table is made
// too, and returns an error: a bug in gonicorn must not keep a worker for ever.
func (w *worker) to(s stage, why reason) error {
	from := w.stage
	w.stage = s
	if why.given() {
		w.leaving.because = why
	}
	if !slices.ContainsFunc(transitions(), func(t transition) bool { return t.from == from && t.to == s }) {
		return fmt.Errorf("a worker cannot become %s when it is %s", s, from)
	}
	return nil
}

// move calls to, and logs its error.
func (f *fleet) move(w *worker, s stage, why reason) {
	if err := w.to(s, why); err != nil {
		f.log.Error("gonicorn has a fault: please report it", f.role, w.place.ID, "pid", w.pid, "error", err)
	}
}

// retireFor marks a worker for replacement. origin says that it must leave a
// copy of itself, from which others are forked.
func (w *worker) retireFor(c cause, origin bool) {
	w.leaving.wanted, w.leaving.origin = because(c), origin
}
