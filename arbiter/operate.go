package arbiter

import (
	"context"
	"errors"
	"fmt"

	"github.com/gonicorn/gonicorn/signals"
)

// What an operator can ask for other than by a signal.
type (
	reloadAsked struct{ answer chan<- Outcome } // gets what became of the reload
	renewAsked  struct {
		id     int
		answer chan<- error
	}
	shownStacks struct {
		id     int
		answer chan<- stacksAnswer
	}
)

func (reloadAsked) isEvent() {}
func (renewAsked) isEvent()  {}
func (shownStacks) isEvent() {}

type stacksAnswer struct {
	pid int
	err error
}

// ErrNoWorker says that there is no worker with this number.
var ErrNoWorker = errors.New("there is no such worker")

// Do carries out what a signal would ask for.
func (a *Arbiter) Do(action signals.Action) { a.post(signalled{action}) }

// Restart replaces one worker, once its successor is ready.
func (a *Arbiter) Restart(ctx context.Context, id int) error {
	answer := make(chan error, 1)
	a.post(renewAsked{id, answer})
	return a.await(ctx, answer)
}

// ShowStacks makes one worker write the stacks of its threads to the log, and
// returns its pid. The worker keeps running.
func (a *Arbiter) ShowStacks(ctx context.Context, id int) (pid int, err error) {
	answer := make(chan stacksAnswer, 1)
	a.post(shownStacks{id, answer})
	select {
	case got := <-answer:
		return got.pid, got.err
	case <-a.loop.done:
		return 0, fmt.Errorf("ask arbiter: %w", ErrStopped)
	case <-ctx.Done():
		return 0, fmt.Errorf("ask arbiter: %w", context.Cause(ctx))
	}
}

func (a *Arbiter) await(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-a.loop.done:
		return fmt.Errorf("ask arbiter: %w", ErrStopped)
	case <-ctx.Done():
		return fmt.Errorf("ask arbiter: %w", context.Cause(ctx))
	}
}

// operate handles the events that are declared in this file.
func (a *Arbiter) operate(e event) {
	switch e := e.(type) {
	case reloadAsked:
		a.reloads.askers = append(a.reloads.askers, e.answer)
		a.wantReload()
	case renewAsked:
		e.answer <- a.workers.renewOne(e.id)
	case shownStacks:
		pid, err := a.workers.showStacksOf(e.id)
		e.answer <- stacksAnswer{pid, err}
	}
}

// renewOne marks one worker for replacement.
func (f *fleet) renewOne(id int) error {
	for _, s := range f.positions {
		if s.id == id && s.current != nil {
			s.current.retireFor(byRestart, false)
			f.reloaded.stale = "" // the operator wants another try
			return nil
		}
	}
	return fmt.Errorf("restart worker %d: %w", id, ErrNoWorker)
}

func (f *fleet) showStacksOf(id int) (pid int, err error) {
	for _, s := range f.positions {
		if s.id != id || s.current == nil {
			continue
		}
		if !s.current.gen.Settings.ShowsStacks {
			return 0, fmt.Errorf("show stacks of worker %d: only Python workers and Go handlers can do that and keep running: %w", id, errors.ErrUnsupported)
		}
		f.procs.show(s.current)
		return s.current.pid, nil
	}
	return 0, fmt.Errorf("show stacks of worker %d: %w", id, ErrNoWorker)
}
