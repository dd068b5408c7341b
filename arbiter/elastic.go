package arbiter

import (
	"math"
	"time"
)

// Elastic bounds the number of workers and says what it follows. A Max of 0
// keeps the number fixed.
type Elastic struct {
	Min, Max int
	UpWait   time.Duration // add workers if requests wait longer than this
	DownIdle time.Duration // stop a worker that has been unneeded for this long
	Budget   int64         // bytes for all workers together; 0 is no bound
}

// clamp brings a number of workers within the bounds.
func (e Elastic) clamp(n int) int {
	if e.Max <= 0 {
		return n
	}
	return max(e.Min, min(n, e.Max))
}

const (
	upAfter     = time.Second            // requests must wait too long for this time
	loadLook    = 100 * time.Millisecond // between two looks at the load
	loadBucket  = time.Second            // over which the load is averaged
	sparedShare = 0.7                    // the others must need less than this share of their capacity
	mostBackoff = 4                      // doublings of DownIdle at most
	tooSoon     = 3                      // times DownIdle: if we grow again within this, it was wrong to shrink
	clearWithin = time.Second            // a step must clear the backlog in this time
)

// load is the work at one moment.
type load struct {
	waiting  int           // requests that wait for a worker
	oldest   time.Duration // how long the first of them has waited
	busy     float64       // workers' worth of work in flight
	requests uint64        // finished since the start
	capacity int           // requests that one worker can have in flight
	boot     time.Duration // how long the last worker took to become ready
	memory   memoryUse     // of the workers
}

// scaler finds how many workers a load needs. It is slow to stop one, and slower
// each time that this turned out to be wrong, so the number does not oscillate.
type scaler struct {
	hot        time.Duration // since when requests have waited too long; 0: they do not
	wait       time.Duration // the longest wait at that time
	spare      time.Duration // since when one worker has been unneeded
	shrunk     time.Duration // when a worker was last stopped
	backoff    int           // doublings of DownIdle
	bucket     time.Duration // when the bucket began
	sum        float64       // of the samples in the bucket
	samples    int
	requests   uint64 // finished when the bucket began
	sawWaiting bool   // requests waited during the bucket
	finished   uint64 // requests finished at the time of hot
}

// want returns how many workers there should be. There are n now; booting says
// that some of them are still starting.
func (s *scaler) want(now time.Duration, e Elastic, n int, booting bool, l load) int {
	if n < e.Min || n > e.Max {
		return e.clamp(n)
	}
	if n == 0 {
		s.spare = now
		if l.waiting > 0 {
			return 1
		}
		return 0
	}
	if fewer := l.memory.fewer(n, e.Min); fewer < n {
		s.hot, s.spare = 0, now
		return fewer
	}
	if more := s.grow(now, e, n, booting, l); more > n {
		return more
	}
	return s.shrink(now, e, n, l)
}

func (s *scaler) grow(now time.Duration, e Elastic, n int, booting bool, l load) int {
	if l.waiting == 0 || l.oldest < e.UpWait {
		s.hot = 0
		return n
	}
	s.sawWaiting = true
	if s.hot == 0 {
		s.hot, s.wait, s.finished = now, l.oldest, l.requests
	}
	room := min(e.Max-n, l.memory.room())
	if now-s.hot < upAfter || booting || room <= 0 {
		return n
	}
	shrinks, step := l.oldest < s.wait, s.step(now, n, l)
	s.hot, s.wait, s.spare, s.finished = now, l.oldest, now, l.requests
	if shrinks {
		return n // there are enough by now
	}
	if s.shrunk > 0 && now-s.shrunk < tooSoon*e.DownIdle {
		s.backoff = min(s.backoff+1, mostBackoff)
	}
	return e.clamp(n + min(step, room))
}

// step is how many workers to add for the backlog: as many as clear it within
// clearWithin at the pace of those that serve, but not more than the waiting
// requests can fill. If workers boot slowly, the next correction comes late, so
// the step is proportionally larger.
func (s *scaler) step(now time.Duration, n int, l load) int {
	places := math.Ceil(float64(l.waiting) / float64(max(l.capacity, 1)))
	each := float64(l.requests-min(l.requests, s.finished)) / (now - s.hot).Seconds() / float64(n)
	if each <= 0 {
		return max(1, int(places)) // none has finished: the pace is not known
	}
	within := clearWithin.Seconds() / (1 + l.boot.Seconds())
	needed := math.Ceil(float64(l.waiting) / each / within)
	return max(1, int(min(places, needed)))
}

func (s *scaler) shrink(now time.Duration, e Elastic, n int, l load) int {
	if s.samples == 0 {
		s.bucket, s.requests = now, l.requests
		if s.spare == 0 {
			s.spare = now
		}
	}
	s.sum += l.busy
	s.samples++
	if now-s.bucket < loadBucket {
		return n
	}
	average := s.sum / float64(s.samples)
	needed := s.sawWaiting || l.waiting > 0 || average > sparedShare*float64(n-1) || n == 1 && l.requests != s.requests
	s.sum, s.samples, s.sawWaiting = 0, 0, false
	if needed {
		s.spare = now
		return n
	}
	if n <= e.Min || now-s.spare < e.DownIdle<<s.backoff {
		return n
	}
	if s.shrunk > 0 && now-s.shrunk > 2*tooSoon*e.DownIdle<<s.backoff {
		s.backoff = max(0, s.backoff-1)
	}
	s.spare, s.shrunk = now, now
	return n - 1
}

// scaleToLoad makes the number of workers follow the load.
func (a *Arbiter) scaleToLoad(now time.Duration) time.Duration {
	f := a.workers
	e := f.current.Settings.Elastic
	if e.Max <= 0 || f.phase != serving || f.candidate != nil || f.history.gaveUp != nil || !f.history.allReady && f.size.target > 0 {
		return forever
	}
	if now < a.scaling.next {
		return a.scaling.next
	}
	a.scaling.next = now + loadLook
	e.Min = a.floor(e)
	l, booting := a.measure(now)
	if n := a.scaling.scaler.want(now, e, f.size.target, booting, l); n != f.size.target {
		f.log.Info("number of workers follows the load", "from", f.size.target, "to", n, "waiting", l.waiting,
			"oldest", l.oldest.Round(time.Millisecond), "busy", math.Round(l.busy*100)/100)
		if l.memory.over() {
			f.letLargest(f.size.target-n, now)
			a.measureMemory()
		}
		f.size.target = n
		return now
	}
	return a.scaling.next
}

// measure looks at the scoreboard: what the workers have in flight, and what
// waits at the gateway.
func (a *Arbiter) measure(now time.Duration) (l load, starting bool) {
	set := a.workers.current.Settings
	l.capacity, l.boot, l.memory = set.Capacity, a.workers.history.bootTime, a.memory.use
	lag := forever
	for _, s := range a.workers.positions {
		w := s.current
		if w == nil {
			continue
		}
		if w.stage == booting {
			starting = true
			continue
		}
		v, _ := a.children.kernel.vitals(w)
		l.requests += v.requests
		share := min(1, float64(v.inFlight)/float64(max(set.Capacity, 1)))
		if !set.RequestAge { // an event loop: its CPU time shows how busy it is
			share = max(share, w.usage.cpu)
			lag = min(lag, v.lag)
		}
		l.busy += share
	}
	if a.front == nil {
		return l, starting
	}
	for _, w := range a.front.workers() {
		v, _ := a.children.kernel.vitals(w)
		l.waiting += v.waiting
		if v.waitingSince > 0 {
			l.oldest = max(l.oldest, now-v.waitingSince)
		}
	}
	if lag != forever && lag >= set.Elastic.UpWait {
		l.waiting, l.oldest = max(l.waiting, 1), max(l.oldest, lag) // requests wait inside every loop
	}
	return l, starting
}
