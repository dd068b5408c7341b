package arbiter

import (
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
)

const (
	canaryLook  = 100 * time.Millisecond // between two looks at a canary
	canaryShare = 40                     // per mille of the requests, until it has proven itself
	canaryTimes = 3                      // a trial with too few answers lasts at most this many times canary_time
	warmAnswers = 3                      // the first answers are slow in every app, so their times do not count
	manyAnswers = 50                     // if the others gave this many during the trial, only those count; else all since their start
	fewSamples  = 4                      // of memory that a verdict needs
	mostSamples = 128                    // of memory that are kept
)

// trial is the canary of a rollout: a worker of the new generation that serves
// beside the others with a bounded share of the requests. If it does well, it is
// stopped, and the new generation takes over as it would without a canary.
type trial struct {
	position *position
	began    time.Duration // when it began to serve; 0 before
	longer   bool          // it has been logged that the trial goes on
	warm     bool          // it has given its first answers
	base     tally         // what it had done by then
	others   map[*worker]tally
	growth   [2][]sample // of the canary, and of the others
	sampled  time.Duration
	its      evidence
	theirs   evidence
}

// tally is what a worker has done so far.
type tally struct {
	answers, errors uint64
	app             scoreboard.Distribution
}

func (t tally) since(before tally) tally {
	return tally{t.answers - min(before.answers, t.answers), t.errors - min(before.errors, t.errors), t.app.Since(before.app)}
}

// omitted says why there can be no trial although the settings want one, or "".
func (f *fleet) omitted(cannot string) string {
	if cannot != "" {
		return cannot
	}
	for _, s := range f.positions {
		if s.current != nil && s.current.stage == ready {
			return ""
		}
	}
	return "no worker serves that a canary could be compared with"
}

// prove starts the canary and watches it until its time is over.
func (f *fleet) prove(c *rollout, now time.Duration) time.Duration {
	if c.trial == nil {
		c.trial = &trial{position: &position{id: f.freeID(), fresh: true, trial: true}}
		f.positions = append(f.positions, c.trial.position)
		f.sortPositions()
	}
	t := c.trial
	if t.position.next == nil {
		if again := f.startNext(t.position, c, now); again || f.candidate == nil {
			return now
		}
	}
	if t.position.next.stage != ready {
		return forever
	}
	set := c.gen.Settings.Reload
	if t.began == 0 {
		f.beginTrial(c, now)
	}
	f.observeTrial(t, now)
	f.steer(t, t.share(set, f.size.target, now), now)
	early, last := now < t.began+set.Canary, t.began+canaryTimes*set.Canary
	over := !early && (now >= last || t.measured() && (set.Blind || t.its.conclusive(uint64(set.CanaryLeast))))
	switch why := judge(t.its, t.theirs, set.bounds(c.gen.Settings.MaxMemory), over); {
	case why != "":
		f.abandon(now, "canary: "+why)
		return now
	case early:
		return min(t.began+set.Canary, now+canaryLook)
	case !over:
		f.prolong(t, set)
		return min(last, now+canaryLook)
	case t.its.answers < uint64(set.CanaryLeast) && !set.Blind:
		f.abandon(now, fmt.Sprintf("canary: %d answers in %s are too few for a verdict (canary_min_answers %d): "+
			"reload when there are requests, or with a longer canary_time, or with canary_min_answers 0",
			t.its.answers, canaryTimes*set.Canary, set.CanaryLeast))
		return now
	}
	f.passed(c, now)
	return now
}

func (f *fleet) beginTrial(c *rollout, now time.Duration) {
	t, set := c.trial, c.gen.Settings.Reload
	t.began, t.others = now, map[*worker]tally{}
	for _, w := range f.serving() {
		t.others[w] = f.tally(w)
	}
	w := t.position.next
	w.reach.public = true
	f.log.Info("canary serves", "worker", w.place.ID, "pid", w.pid, "generation", c.gen.Number, "for", set.Canary)
}

// serving lists the workers that a canary is compared with.
func (f *fleet) serving() (all []*worker) {
	for _, s := range f.positions {
		if s.current != nil && s.current.stage == ready {
			all = append(all, s.current)
		}
	}
	return all
}

func (f *fleet) tally(w *worker) tally {
	v, _ := f.procs.vitals(w)
	app, _ := f.procs.measure(w)
	return tally{v.answers, v.errors, app}
}

// observeTrial records what both sides have done so far.
func (f *fleet) observeTrial(t *trial, now time.Duration) {
	w := t.position.next
	now1 := f.tally(w)
	_, pending := f.procs.measure(w)
	if !t.warm && now1.answers >= warmAnswers {
		t.warm, t.base = true, now1
	}
	t.its = evidence{answers: now1.answers, errors: now1.errors, rss: w.usage.rss, growth: t.growth[0]}
	half := f.candidate.gen.Settings.Reload.Canary / 2
	for _, age := range pending {
		if t.warm || age > half { // the first request may load what all later ones need
			t.its.pending = append(t.its.pending, age)
		}
	}
	if t.warm {
		t.its.app = now1.app.Since(t.base.app)
	}
	var recent, life tally
	t.theirs = evidence{growth: t.growth[1]}
	for _, w := range f.serving() {
		all := f.tally(w)
		life.add(all)
		recent.add(all.since(t.others[w]))
		t.theirs.rss = max(t.theirs.rss, w.usage.rss)
	}
	t.theirs.answers, t.theirs.errors, t.theirs.app = recent.answers, recent.errors, recent.app
	if recent.app.Len() < manyAnswers {
		t.theirs.app = life.app
	}
	f.sampleTrial(t)
}

func (t *tally) add(other tally) {
	t.answers += other.answers
	t.errors += other.errors
	t.app = t.app.Plus(other.app)
}

// measured reports whether memory was measured often enough for a verdict. It is
// also true if nobody measures it.
func (t *trial) measured() bool { return t.sampled == 0 || len(t.growth[0]) >= fewSamples }

// sampleTrial records the memory that both sides use, once the canary is warm.
func (f *fleet) sampleTrial(t *trial) {
	w := t.position.next
	if !t.warm || w.usage.measured <= t.sampled {
		return
	}
	t.sampled = w.usage.measured
	v, _ := f.procs.vitals(w)
	its, theirs := sample{v.requests, w.usage.rss}, sample{}
	for _, other := range f.serving() {
		if _, was := t.others[other]; was {
			v, _ := f.procs.vitals(other)
			theirs.requests += v.requests
			theirs.rss += other.usage.rss
		}
	}
	for i, s := range []sample{its, theirs} {
		if len(t.growth[i]) == mostSamples { // keep every other one
			for j := range mostSamples / 2 {
				t.growth[i][j] = t.growth[i][2*j]
			}
			t.growth[i] = t.growth[i][:mostSamples/2]
		}
		t.growth[i] = append(t.growth[i], s)
	}
}

// share is how many of a thousand requests the canary gets. They are few at
// first, so that a bad version harms few. After half its time it gets as many as
// any worker if it has given enough answers; otherwise after twice its time.
func (t *trial) share(set Reload, workers int, now time.Duration) int {
	fair, first := 1000/(max(workers, 1)+1), canaryShare
	if set.FewAtOnce { // its requests come in bursts, and the others wait meanwhile
		fair, first = min(fair, 100), canaryShare/2
	}
	enough := t.its.answers >= max(uint64(set.CanaryLeast), fewAnswers)
	if age := now - t.began; age < set.Canary/2 || !enough && age < 2*set.Canary {
		return min(fair, first)
	}
	return fair
}

// steer gives the canary its share. The gateway does that, or, if workers accept
// connections themselves, all of them together.
func (f *fleet) steer(t *trial, share int, _ time.Duration) {
	w := t.position.next
	if w.reach.share == share {
		return
	}
	w.reach.share = share
	if w.gen.Settings.Gated {
		return // the gateway is told with the list of workers
	}
	f.procs.steer(w, share, 0)
	for _, other := range f.serving() {
		f.procs.steer(other, 0, share)
	}
}

// prolong logs, once, that a canary with too few answers gets more time.
func (f *fleet) prolong(t *trial, set Reload) {
	if t.longer {
		return
	}
	t.longer = true
	f.log.Warn("canary has had too few requests to be judged: its trial goes on", "worker", t.position.id,
		"answers", t.its.answers, "errors", t.its.errors, "canary_min_answers", set.CanaryLeast, "until", canaryTimes*set.Canary)
}

// passed ends the trial: the new generation takes over.
func (f *fleet) passed(c *rollout, now time.Duration) {
	t := c.trial
	c.note = fmt.Sprintf("canary did well: %d answers in %s, %.1f %% of them 5xx, half within %s in the app",
		t.its.answers, (now - t.began).Round(100*time.Millisecond), 100*share(t.its), shown(t.its.app.Quantile(0.5)))
	if c.gen.Settings.Reload.Blind {
		c.note = "canary lived: its answers are not known, since it accepts connections itself"
	}
	f.log.Info("canary did well", "worker", t.position.id, "answers", t.its.answers, "errors", t.its.errors,
		"p50", shown(t.its.app.Quantile(0.5)), "p50_others", shown(t.theirs.app.Quantile(0.5)), "rss", t.its.rss)
	f.endTrial(c)
	f.dropPosition(t.position, now, byTrialsEnd)
	c.proven = true
}

// endTrial gives the others all requests again.
func (f *fleet) endTrial(c *rollout) {
	if c.trial == nil || c.gen.Settings.Gated {
		return
	}
	for _, w := range f.workers() {
		f.procs.steer(w, 0, 0)
	}
}

func (r Reload) bounds(memory int64) bounds {
	return bounds{errors: r.CanaryErrors, slowdown: r.CanarySlowdown, least: uint64(max(r.CanaryLeast, 0)), memory: memory}
}

// trialStatus is the state of the trial; nil without one.
func (f *fleet) trialStatus(now time.Duration) *status.Trial {
	if f.candidate == nil || f.candidate.trial == nil || f.candidate.trial.began == 0 || f.candidate.proven {
		return nil
	}
	t := f.candidate.trial
	return &status.Trial{
		Generation: f.candidate.gen.Number, Worker: t.position.id, Age: now - t.began, For: f.candidate.gen.Settings.Reload.Canary,
		Longer: t.longer, Answers: t.its.answers, Errors: t.its.errors, P50: t.its.app.Quantile(0.5), OthersP50: t.theirs.app.Quantile(0.5),
	}
}
