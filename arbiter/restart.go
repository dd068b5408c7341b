package arbiter

import "time"

const (
	restartFirst  = 100 * time.Millisecond // the first delay
	restartMost   = 30 * time.Second       // the longest
	restartProven = time.Second            // it was ready for longer than this: restart at once
	restartHealed = time.Minute            // it was ready for this long: forget earlier failures
	restartAtOnce = 5                      // restarts in a row without delay, if RestartImmediately
	bootTries     = 3                      // failed boots before the first generation is given up

	limitPause = 400 * time.Millisecond // between two tries to start a process at a limit of processes
	limitEvery = 10 * time.Second       // between two log lines that name that limit
)

// restart decides how soon a position gets a new worker after it lost one.
type restart struct {
	failures int // in a row; a worker that was ready for longer than restartProven does not count
}

// limitDelay is how long to wait at a limit of processes. Other processes may end at any
// moment and make room, and it is not the app's fault: the delay does not grow, and no
// failure is counted.
func limitDelay(jitter float64) time.Duration {
	return time.Duration(float64(limitPause) * (0.75 + jitter/2))
}

// nextDelay records that a worker was lost at now, and returns how long to wait.
// The worker became ready at readyAt (0: never). jitter, 0 to 1, spreads the
// delays of workers that fail together; 0.5 leaves the delay unchanged.
func (r *restart) nextDelay(now, readyAt time.Duration, atOnce bool, jitter float64) time.Duration {
	healthy := now - readyAt
	if readyAt == 0 {
		healthy = 0
	}
	if healthy >= restartHealed {
		r.failures = 0
	}
	if healthy > restartProven {
		return 0
	}
	r.failures++
	if atOnce && readyAt != 0 && r.failures <= restartAtOnce {
		return 0
	}
	delay := restartMost
	if shift := r.failures - 1; shift < 16 {
		delay = min(restartMost, restartFirst<<shift)
	}
	spread := 0.75 + jitter/2
	return min(restartMost, time.Duration(float64(delay)*spread))
}
