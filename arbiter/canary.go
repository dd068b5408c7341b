package arbiter

import (
	"fmt"
	"time"
)

const (
	canaryLook   = 100 * time.Millisecond // between two looks at a canary
	canaryFewest = 20                     // fewer answers say nothing about a share of errors
)

// canary is the first worker of a new generation, which serves beside the old
// ones.
type canary struct {
	worker *worker
	until  time.Duration
	old    tally // of the others when it began to serve
}

// tally counts answers, and those of them that were 5xx.
type tally struct{ answers, errors uint64 }

// share is how many per cent of the answers were errors.
func (t tally) share() float64 {
	if t.answers == 0 {
		return 0
	}
	return 100 * float64(t.errors) / float64(t.answers)
}

// prove starts the canary and watches it until its time is over.
func (f *fleet) prove(c *rollout, now time.Duration) time.Duration {
	s := f.seats[0]
	if s.next == nil {
		if again := f.startNext(s, c, now); again || f.candidate == nil {
			return now
		}
	}
	if s.next.stage != ready {
		return forever
	}
	set := c.gen.Settings.Reload
	if c.canary == nil {
		c.canary = &canary{worker: s.next, until: now + set.Canary, old: f.tally(f.current)}
		s.next.public = true
		f.log.Info("canary serves", "worker", s.id, "pid", s.next.pid, "generation", c.gen.Number, "for", set.Canary)
	}
	v, _ := f.hands.vitals(c.canary.worker)
	old := f.tally(f.current)
	if why := c.canary.sick(tally{v.answers, v.errors}, old, set.CanaryErrors); why != "" {
		f.abandon(now, why)
		return now
	}
	if now < c.canary.until {
		return min(c.canary.until, now+canaryLook)
	}
	if v.answers < canaryFewest {
		f.log.Warn("canary did not fail, but it had little to do", "worker", s.id, "answers", v.answers, "errors", v.errors)
	} else {
		f.log.Info("canary did well", "worker", s.id, "answers", v.answers, "errors", v.errors)
	}
	c.canary, c.proven = nil, true
	return now
}

// sick says why the canary's generation should not take over, or "".
func (c *canary) sick(its, old tally, most int) string {
	if its.answers < canaryFewest {
		return ""
	}
	others := tally{old.answers - min(old.answers, c.old.answers), old.errors - min(old.errors, c.old.errors)}
	if its.share() <= others.share()+float64(most) {
		return ""
	}
	return fmt.Sprintf("canary: %.1f %% of %d answers were 5xx, of the old workers' %d meanwhile %.1f %% (canary_max_errors %d)",
		its.share(), its.answers, others.answers, others.share(), most)
}

// tally adds up what the workers of a generation have answered.
func (f *fleet) tally(gen *Generation) tally {
	var sum tally
	for _, w := range f.workers() {
		if w.gen == gen {
			v, _ := f.hands.vitals(w)
			sum.answers += v.answers
			sum.errors += v.errors
		}
	}
	return sum
}
