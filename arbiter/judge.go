package arbiter

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// evidence is what is known of one side of a trial: the canary, or all workers of
// the generation that serves. Workers wrote part of it, so no value may do more
// harm than a wrong verdict on the worker that wrote it.
type evidence struct {
	answers, errors uint64                  // responses that were sent, and how many of them were 5xx
	app             scoreboard.Distribution // how long the app took for each request
	pending         []time.Duration         // ages of requests whose answer has not begun
	rss             int64                   // of the largest worker; 0 if not known
	growth          []sample                // of the canary, or of all the others together
}

// sample is how much memory was in use after a number of requests.
type sample struct {
	requests uint64
	rss      int64
}

// bounds are how much worse than the others a canary may be.
type bounds struct {
	errors   int     // percentage points of 5xx above the others (canary_max_errors)
	slowdown float64 // factor on the others' time in the app (canary_max_slowdown)
	least    uint64  // answers that a verdict needs (canary_min_answers)
	memory   int64   // max_memory; 0 is none
}

const (
	fewErrors  = 3                     // fewer errors say nothing, whatever their share
	fewAnswers = 10                    // fewer answers say nothing about the speed of a version
	p50Slack   = 3 * time.Millisecond  // a canary may be slower by this much, whatever the factor
	p99Slack   = 20 * time.Millisecond // likewise
	hungAfter  = time.Second           // a younger request is not hung
	hungTimes  = 10                    // nor one that takes less than this many times the others' p99
	fewSlow    = 3                     // fewer slow requests may be coincidence
	leakLeast  = 16 << 20              // bytes: smaller growth is no leak
	leakEach   = 4 << 10               // bytes per request: likewise
	leakTimes  = 4                     // nor is growth less than this many times the others'
	sureSlow   = 0.001                 // accepted chance of a wrong verdict on slow requests
	sureHung   = 0.05                  // likewise, on requests that hang
	sureErrors = 2                     // standard deviations, for a share of errors
)

// judge says why the canary is worse than the others, or "". It is called
// repeatedly while answers come in; over says that this is the last time.
func judge(canary, others evidence, b bounds, over bool) string {
	for _, rule := range []func(canary, others evidence, b bounds, over bool) string{
		tooLarge, tooManyErrors, hangs, tooSlow, leaks,
	} {
		if why := rule(canary, others, b, over); why != "" {
			return why
		}
	}
	return ""
}

func tooLarge(canary, _ evidence, b bounds, _ bool) string {
	if b.memory > 0 && canary.rss > b.memory {
		return fmt.Sprintf("it uses %d MiB, more than max_memory (%d MiB)", canary.rss>>20, b.memory>>20)
	}
	return ""
}

// tooManyErrors compares the shares of 5xx. Before the end of the trial, the
// lower end of the Wilson interval of the canary's share must be too high. At
// the end, with enough answers, the share itself decides.
func tooManyErrors(canary, others evidence, b bounds, over bool) string {
	n, bad := float64(canary.answers), float64(min(canary.errors, canary.answers))
	fewest := float64(fewErrors)
	if over && canary.answers >= b.least {
		fewest = 2
	}
	if n == 0 || bad < fewest {
		return ""
	}
	most := share(others) + float64(b.errors)/100
	low := wilson(bad/n, n)
	if over && canary.answers >= b.least {
		low = bad / n
	}
	if low <= most {
		return ""
	}
	return fmt.Sprintf("%.1f %% of its %d answers were 5xx, of the other workers' %.1f %% (canary_max_errors %d)",
		100*bad/n, canary.answers, 100*share(others), b.errors)
}

// conclusive reports whether a canary that was not found bad has given enough
// answers to pass: least, or twice as many if some of them were 5xx.
func (e evidence) conclusive(least uint64) bool {
	if e.errors > 0 {
		least *= 2
	}
	return e.answers >= least
}

func share(e evidence) float64 {
	if e.answers == 0 {
		return 0
	}
	return min(1, float64(e.errors)/float64(e.answers))
}

// wilson is the lower end of the Wilson interval for a share p of n.
func wilson(p, n float64) float64 {
	const z = sureErrors
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}

// hangs looks for requests that the canary has had for much longer than the
// others need.
func hangs(canary, others evidence, _ bounds, _ bool) string {
	p99 := others.app.Quantile(0.99)
	limit := ceiling(max(hungAfter, hungTimes*p99))
	hung, oldest := 0, time.Duration(0)
	for _, age := range canary.pending {
		if age > limit {
			hung++
			oldest = max(oldest, age)
		}
	}
	n := float64(canary.answers) + float64(len(canary.pending))
	if hung == 0 || unlikely(float64(hung), n*rarely(others.app, limit)) >= sureHung {
		return ""
	}
	return fmt.Sprintf("%d of its requests hang, one for %s; 99 %% of the other workers' take less than %s",
		hung, oldest.Round(10*time.Millisecond), shown(p99))
}

// tooSlow compares the medians, and how many requests are slow.
func tooSlow(canary, others evidence, b bounds, _ bool) string {
	n := canary.app.Len()
	if n < fewAnswers || others.app.Len() < fewAnswers || b.slowdown <= 0 {
		return ""
	}
	times := func(d time.Duration) time.Duration {
		return time.Duration(min(b.slowdown*float64(d), float64(time.Hour)))
	}
	its, theirs := canary.app.Quantile(0.5), others.app.Quantile(0.5)
	if its > times(theirs)+p50Slack {
		return fmt.Sprintf("half of its requests take longer than %s in the app, of the other workers' %s (canary_max_slowdown %g)",
			shown(its), shown(theirs), b.slowdown)
	}
	p99 := others.app.Quantile(0.99)
	limit := ceiling(times(p99) + p99Slack)
	slow := float64(canary.app.Over(limit))
	all := float64(n)
	if slow < fewSlow || slow < all/50 || unlikely(slow, all*rarely(others.app, limit)) >= sureSlow {
		return ""
	}
	return fmt.Sprintf("%.1f %% of its %d requests take longer than %s in the app; 99 %% of the other workers' take less than %s (canary_max_slowdown %g)",
		100*slow/all, n, shown(limit), shown(p99), b.slowdown)
}

// leaks compares how memory grows with each request. Every app grows at first. It
// leaks if it keeps growing and already uses more than the workers that have
// served for long.
func leaks(canary, others evidence, _ bounds, _ bool) string {
	if len(canary.growth) < 3 {
		return ""
	}
	first, last := canary.growth[0], canary.growth[len(canary.growth)-1]
	half := first.requests + (last.requests-min(first.requests, last.requests))/2
	middle := canary.growth[slices.IndexFunc(canary.growth, func(s sample) bool { return s.requests >= half || s == last })]
	total := last.rss - first.rss
	each := perRequest(first, last)
	switch {
	case total < leakLeast, canary.rss <= others.rss, others.rss <= 0:
		return ""
	case middle.rss-first.rss < total/5, last.rss-middle.rss < total/5:
		return "" // one step, not a leak
	}
	theirs := 0.0
	if n := len(others.growth); n > 1 {
		theirs = max(0, perRequest(others.growth[0], others.growth[n-1]))
	}
	if each < leakEach || each < leakTimes*theirs {
		return ""
	}
	return fmt.Sprintf("it leaks: it grows by %d KiB a request, by %d MiB so far; the other workers grow by %d KiB a request",
		int64(each)>>10, total>>20, int64(theirs)>>10)
}

// perRequest is how many bytes memory grew with each request.
func perRequest(from, to sample) float64 {
	if to.requests <= from.requests {
		return 0
	}
	return float64(to.rss-from.rss) / float64(to.requests-from.requests)
}

// rarely is an upper estimate of the share of requests that take longer than limit.
func rarely(d scoreboard.Distribution, limit time.Duration) float64 {
	return (float64(d.Over(limit)) + 1) / (float64(d.Len()) + 2)
}

// ceiling is the end of d's bucket: requests longer than that can be counted.
func ceiling(d time.Duration) time.Duration {
	for _, end := range scoreboard.Bounds() {
		if end >= d {
			return end
		}
	}
	return d
}

// unlikely is the chance of k or more events if want are expected (Poisson).
func unlikely(k, want float64) float64 {
	term, below := math.Exp(-want), 0.0
	for i := 0.0; i < min(k, 1000); i++ {
		below += term
		term *= want / (i + 1)
	}
	return max(0, 1-below)
}

// shown rounds a duration for a message.
func shown(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
