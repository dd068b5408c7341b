package arbiter

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// rollout is a reload in progress: a new generation that becomes ready beside
// the one that serves, and then takes over in the way that its settings say.
type rollout struct {
	gen     *Generation
	want    int  // positions that it needs
	rolling bool // replaced in batches, not all at once

	ready     bool          // all workers that it needs are ready
	trial     *trial        // nil without a canary
	proven    bool          // the canary did well, or there is none
	note      string        // what the operator should know about it; may be empty
	exchanged int           // if rolling: positions that have been replaced
	rested    int           // value of exchanged when the last pause began
	restUntil time.Duration // when that pause ends
}

// reload starts to replace the current generation by gen. A reload in progress
// is given up first. With together, gen takes over all at once, because a new
// gateway takes over with it. noTrial says why a canary cannot serve beside the
// others; it is empty if one can.
func (f *fleet) reload(gen *Generation, together bool, noTrial string, now time.Duration) {
	if f.candidate != nil {
		f.supersede(now, gen)
	}
	want := gen.Settings.Workers
	if e := gen.Settings.Elastic; e.Max > 0 && f.phase == serving {
		want = e.clamp(f.size.target)
	}
	c := &rollout{gen: gen, want: want, rolling: gen.Settings.Reload.Rolling, proven: gen.Settings.Reload.Canary <= 0}
	if !c.proven {
		if why := f.omitted(noTrial); why != "" {
			c.proven, c.note = true, "no canary: "+why
			f.log.Warn("no canary", "generation", gen.Number, "reason", why, "code", "GON046")
		}
	}
	if f.phase == idle {
		f.phase = serving
		f.size.target = 0 // nobody serves, so there is no number of workers to match
		together = true
	}
	if together || len(f.positions) == 0 {
		c.rolling = false
	}
	for _, s := range f.positions {
		f.leave(s.next, now, because(bySuperseding))
		s.next = nil
	}
	f.candidate = c
}

// advance takes the next step of the rollout in progress.
func (f *fleet) advance(now time.Duration) time.Duration {
	c := f.candidate
	if c == nil {
		return forever
	}
	if !c.proven {
		return f.prove(c, now)
	}
	for len(f.positions) < c.want {
		f.positions = append(f.positions, &position{id: f.freeID(), fresh: true})
		f.sortPositions()
	}
	if c.rolling {
		return f.roll(c, now)
	}
	return f.gather(c, now)
}

// gather makes all workers of the candidate generation ready, which then takes
// over all at once.
func (f *fleet) gather(c *rollout, now time.Duration) time.Duration {
	isReady := 0
	for _, s := range f.positions[:c.want] {
		if s.next == nil {
			if again := f.startNext(s, c, now); again || f.candidate == nil {
				return now
			}
		}
		if s.next.stage == ready {
			isReady++
		}
	}
	return f.finish(c, isReady == c.want, now)
}

// roll replaces workers in batches. A worker goes when its successor is ready,
// and the next batch starts when this one has been replaced.
func (f *fleet) roll(c *rollout, now time.Duration) time.Duration {
	var rest []*position
	onTheWay := 0
	for _, s := range f.positions[:c.want] {
		switch {
		case s.next != nil && s.next.stage == ready:
			f.leave(s.current, now, because(byReload))
			*s = position{id: s.id, current: s.next, fresh: s.fresh}
			c.exchanged++
		case s.next != nil:
			onTheWay++
		case s.current == nil || s.current.gen != c.gen:
			rest = append(rest, s)
		}
	}
	if onTheWay > 0 {
		return forever
	}
	if len(rest) == 0 {
		return f.finish(c, true, now)
	}
	if c.exchanged > c.rested {
		c.rested, c.restUntil = c.exchanged, now+c.gen.Settings.Reload.Pause
		f.log.Info("reload goes on", "generation", c.gen.Number, "exchanged", c.exchanged, "of", c.want)
	}
	if now < c.restUntil {
		return c.restUntil
	}
	batch := c.gen.Settings.Reload.Batch
	if batch <= 0 {
		batch = max(1, c.want/4)
	}
	if f.leavingBefore(c.gen) > batch {
		return forever // the loop wakes when one of them ends
	}
	for _, s := range rest[:min(batch, len(rest))] {
		if again := f.startNext(s, c, now); again || f.candidate == nil {
			return now
		}
	}
	return forever
}

// leavingBefore counts the leaving workers of older generations than gen.
func (f *fleet) leavingBefore(gen *Generation) int {
	n := 0
	for _, w := range f.leaving {
		if w.gen.Number < gen.Number {
			n++
		}
	}
	return n
}

// startNext starts the candidate's worker for a position. If that fails, it gives
// up the reload. It reports whether to try again at once.
func (f *fleet) startNext(s *position, c *rollout, now time.Duration) (again bool) {
	w, again := f.start(s, c.gen, now)
	if again {
		return true
	}
	if w == nil {
		f.abandon(now, fmt.Sprintf("worker %d could not be started", s.id))
		return false
	}
	s.next = w
	return false
}

// finish commits the candidate generation if it is ready and may take over.
func (f *fleet) finish(c *rollout, isReady bool, now time.Duration) time.Duration {
	c.ready = isReady
	if c.ready && f.hooks.mayCommit() {
		f.commit(now)
		return now
	}
	return forever
}

// commit makes the candidate generation the current one and drains what is left
// of the old one.
func (f *fleet) commit(now time.Duration) {
	c := f.candidate
	f.candidate = nil
	if f.role == "worker" {
		f.log.Info("new generation serves", "generation", c.gen.Number, "workers", c.want)
	} else {
		f.log.Info("new "+f.role+" serves", "generation", c.gen.Number)
	}
	for i, s := range slices.Clone(f.positions) {
		if i >= c.want {
			f.dropPosition(s, now, byReload)
			continue
		}
		if s.next != nil {
			f.leave(s.current, now, because(byReload))
			*s = position{id: s.id, current: s.next}
		}
		s.fresh = false
	}
	f.hooks.retired(f.current)
	f.current, f.size.target, f.reloaded.lastFault, f.size.floor = c.gen, c.want, "", 0
	f.reloaded.times++
	f.history.everReady = true
	f.reloaded.stale = ""
	f.reloaded.lastNote = c.note
	f.reloaded.outcomes = append(f.reloaded.outcomes, outcome{c.gen.Number, Outcome{Note: c.note}})
	if c.gen.Adopted != nil {
		c.gen.Adopted()
	}
}

// abandon gives up a reload that has failed. The current generation continues as
// if there had been no reload.
func (f *fleet) abandon(now time.Duration, why string) {
	c := f.candidate
	f.reloaded.lastFault = why
	f.reloaded.failures++
	f.log.Error("reload failed: the old generation keeps serving",
		"generation", c.gen.Number, "serving", f.current.Number, "reason", why, "code", "GON042")
	f.giveUp(now, errors.New(why), byFailedReload)
}

// supersede gives up a reload in favour of a newer one.
func (f *fleet) supersede(now time.Duration, by *Generation) {
	f.log.Info("a newer reload replaces the one in progress",
		"generation", by.Number, "superseded", f.candidate.gen.Number)
	f.giveUp(now, errSuperseded, bySuperseding)
}

// giveUp ends the workers that were started for the candidate.
func (f *fleet) giveUp(now time.Duration, why error, leaves cause) {
	c := f.candidate
	f.endTrial(c)
	f.candidate = nil
	f.reloaded.outcomes = append(f.reloaded.outcomes, outcome{c.gen.Number, Outcome{Err: why}})
	f.hooks.retired(c.gen)
	for _, s := range slices.Clone(f.positions) {
		if s.next != nil && s.next.gen == c.gen {
			f.leave(s.next, now, because(leaves))
			s.next = nil
		}
		if s.fresh {
			f.dropPosition(s, now, leaves)
		}
	}
	if f.size.target == 0 {
		f.size.target = f.current.Settings.Workers // this was a reload after WINCH: otherwise nobody would serve
	}
	f.hooks.failed(why.Error())
}

// loadFailed records that a reload failed before anything was started.
func (f *fleet) loadFailed(number int, err error) {
	f.reloaded.lastFault = err.Error()
	f.reloaded.failures++
	f.reloaded.outcomes = append(f.reloaded.outcomes, outcome{number, Outcome{Err: err}})
	f.log.Error("reload failed: the old generation keeps serving", "serving", f.current.Number, "error", err, "code", "GON042")
	if f.phase == idle {
		f.phase, f.size.target = serving, f.current.Settings.Workers
	}
}
