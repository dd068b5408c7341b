//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"
)

// stopwatch measures how long something takes gonicorn, on a machine that may
// have other tests to run.
type stopwatch struct {
	began   time.Time
	stalled time.Duration // in which somebody waited for a processor, since the machine's start
}

// started is some moment: only differences of stalls count.
var started = time.Now()

func startWatch() stopwatch { return stopwatch{time.Now(), stalls()} }

// took is the time since the start without that in which somebody waited for a
// processor. At most two thirds are taken away, and five seconds: what takes
// far too long does so on a busy machine too.
func (w stopwatch) took() time.Duration {
	wall := time.Since(w.began)
	return withoutStalls(wall, stalls()-w.stalled)
}

func withoutStalls(wall, stalled time.Duration) time.Duration {
	return max(wall-stalled, (wall-5*time.Second)/3)
}

// expectAtMost fails the test when more than this has passed.
func (w stopwatch) expectAtMost(t testing.TB, most time.Duration, what string) {
	t.Helper()
	if took := w.took(); took > most {
		t.Errorf("%s took %s, %s by the clock: want at most %s", what, took, time.Since(w.began), most)
	}
}

// stalls is for how long some process has waited for a processor, since the
// machine's start. A kernel that does not say so (PSI) is taken for one of a
// machine that is always busy.
func stalls() time.Duration {
	text, _ := os.ReadFile("/proc/pressure/cpu") // there is none without PSI
	line, _, _ := bytes.Cut(text, []byte("\n"))
	_, total, found := bytes.Cut(line, []byte("total="))
	var us int64
	if _, err := fmt.Sscan(string(total), &us); !found || err != nil {
		return time.Since(started)
	}
	return time.Duration(us) * time.Microsecond
}

func TestStopwatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wall, stalled, want time.Duration }{
		{time.Second, 0, time.Second},
		{time.Second, 400 * time.Millisecond, 600 * time.Millisecond},
		{8 * time.Second, 8 * time.Second, time.Second},
		{35 * time.Second, 35 * time.Second, 10 * time.Second},
	} {
		if got := withoutStalls(c.wall, c.stalled); got != c.want {
			t.Errorf("%s with %s stalled: %s, want %s", c.wall, c.stalled, got, c.want)
		}
	}
}
