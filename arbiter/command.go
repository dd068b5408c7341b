package arbiter

import (
	"time"

	"github.com/gonicorn/gonicorn/signals"
)

// act carries out what an operator asked for by a signal. Reload and Reopen do
// I/O, so they are handled elsewhere.
func (f *fleet) act(a signals.Action, now time.Duration) {
	switch a {
	case signals.Stop:
		f.stop(now)
	case signals.Quit:
		f.quitAll(now)
	case signals.Increase:
		f.scale(f.size.target+1, now)
	case signals.Decrease:
		f.scale(f.size.target-1, now)
	case signals.Drain:
		f.drain(now)
	}
}

// scale sets how many workers are wanted, at least one.
func (f *fleet) scale(n int, _ time.Duration) {
	if f.phase != serving {
		f.log.Warn("not scaled: there are no workers now", "wanted", n)
		return
	}
	if e := f.current.Settings.Elastic; e.Max > 0 {
		f.size.floor += n - f.size.target
		f.size.floor = max(-e.Min, min(f.size.floor, e.Max-e.Min))
		n = e.clamp(n)
	}
	n = max(1, n)
	if f.candidate != nil {
		f.candidate.want = max(1, f.candidate.want+n-f.size.target)
	}
	f.log.Info("number of workers changed", "from", f.size.target, "to", n)
	f.size.target = n
}

// stop lets every worker finish and go.
func (f *fleet) stop(now time.Duration) {
	if f.phase >= stopping {
		return
	}
	f.phase, f.candidate = stopping, nil
	f.dismiss(now, byStop)
}

// drain stops every worker gracefully, and starts no others before the next reload.
func (f *fleet) drain(now time.Duration) {
	if f.phase != serving {
		return
	}
	f.phase, f.candidate = idle, nil
	f.dismiss(now, byDrain)
}

// resume starts workers again after a drain.
func (f *fleet) resume() {
	if f.phase == idle {
		f.phase, f.size.target = serving, f.current.Settings.Workers
	}
}

func (f *fleet) dismiss(now time.Duration, why cause) {
	for _, s := range f.positions {
		f.leave(s.current, now, because(why))
		f.leave(s.next, now, because(why))
	}
	f.positions = nil
}

// quitAll ends every worker at once. A second call kills them.
func (f *fleet) quitAll(now time.Duration) {
	again := f.phase == quitting
	f.phase, f.candidate = quitting, nil
	for _, s := range f.positions {
		f.quit(s.current, now)
		f.quit(s.next, now)
	}
	f.positions = nil
	for _, w := range f.leaving {
		switch {
		case again:
			w.leaving.deadline = now
		case w.stage != killed && w.stage != quick:
			f.quit(w, now)
		}
	}
}
