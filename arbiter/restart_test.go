package arbiter

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRestartDelays(t *testing.T) {
	const readyAt = 10 * time.Second
	for _, c := range []struct {
		name     string
		failures int
		now      time.Duration
		readyAt  time.Duration
		atOnce   bool
		want     time.Duration
	}{
		{"first failed boot", 0, readyAt, 0, false, 100 * time.Millisecond},
		{"second failed boot", 1, readyAt, 0, false, 200 * time.Millisecond},
		{"ninth failed boot", 8, readyAt, 0, false, 25600 * time.Millisecond},
		{"tenth failed boot meets the cap", 9, readyAt, 0, false, 30 * time.Second},
		{"hundredth", 99, readyAt, 0, false, 30 * time.Second},
		{"ready for a moment", 0, readyAt + time.Second, readyAt, false, 100 * time.Millisecond},
		{"ready for more than a second", 5, readyAt + 1001*time.Millisecond, readyAt, false, 0},
		{"a gateway ready for a moment", 0, readyAt + time.Millisecond, readyAt, true, 0},
		{"a gateway that was never ready", 0, readyAt, 0, true, 100 * time.Millisecond},
	} {
		r := restart{failures: c.failures}
		if got := r.nextDelay(c.now, c.readyAt, c.atOnce, 0.5); got != c.want {
			t.Errorf("%s: delay is %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAMinuteOfHealthForgetsFailures(t *testing.T) {
	r := restart{failures: 7}
	r.nextDelay(70*time.Second, 10*time.Second, false, 0.5)
	if got := r.nextDelay(71*time.Second, 0, false, 0.5); got != restartFirst {
		t.Errorf("delay after a healthy worker is %s, want %s", got, restartFirst)
	}
}

// Whatever happens to a position, its delays stay within bounds, grow while boots
// fail, and vanish for a worker that had served.
func TestRestartProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := restart{}, time.Duration(1)
		last := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "losses") {
			life := time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(t, "life"))
			booted := rapid.Bool().Draw(t, "booted")
			readyAt := time.Duration(0)
			if booted {
				readyAt = now
			}
			now += life
			delay := r.nextDelay(now, readyAt, false, rapid.Float64Range(0, 1).Draw(t, "jitter"))
			switch {
			case delay < 0 || delay > restartMost:
				t.Fatalf("delay %s is out of bounds", delay)
			case booted && life > restartProven && delay != 0:
				t.Fatalf("a worker that served %s is restarted after %s, want at once", life, delay)
			case !booted && delay < restartFirst*3/4:
				t.Fatalf("a failed boot is retried after %s", delay)
			case !booted && last > 0 && delay < last*3/5:
				// two steps of doubling outweigh the widest jitter (0.75 to 1.25)
				t.Fatalf("delay fell from %s to %s while boots fail", last, delay)
			}
			if booted {
				last = 0
			} else {
				last = delay
			}
			now += delay
		}
	})
}
