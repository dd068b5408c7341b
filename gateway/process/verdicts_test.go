package process

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// The verdict on a worker counts whether it came before the question or a moment
// later. Nobody waits longer than that moment, or for nothing.
func TestVerdicts(t *testing.T) { synctest.Test(t, testVerdicts) }

func testVerdicts(t *testing.T) {
	v := newVerdicts()
	ask := func(ctx context.Context, pid int, want string, after time.Duration) {
		t.Helper()
		began := time.Now()
		if got := v.Crash(ctx, pid); got.Crash != want || time.Since(began) != after {
			t.Errorf("worker %d: %q after %v, want %q after %v", pid, got.Crash, time.Since(began), want, after)
		}
	}
	v.add([]wire.Ended{{PID: 1, Crash: "signal: segmentation fault"}})
	ask(t.Context(), 1, "signal: segmentation fault", 0)
	ask(t.Context(), 0, "", 0)           // no worker had begun it
	ask(t.Context(), 2, "", verdictWait) // the arbiter is gone
	time.AfterFunc(verdictWait/3, func() { v.add([]wire.Ended{{PID: 3, Crash: "other"}}) })
	time.AfterFunc(verdictWait/2, func() { v.add([]wire.Ended{{PID: 2, Crash: "exit 1"}}) })
	ask(t.Context(), 2, "exit 1", verdictWait/2)
	ctx, cancel := context.WithTimeout(t.Context(), verdictWait/4)
	defer cancel()
	ask(ctx, 4, "", verdictWait/4)

	for pid := range 10 * verdictMost {
		v.add([]wire.Ended{{PID: pid + 1}})
	}
	if len(v.of) != verdictMost || len(v.order) != verdictMost {
		t.Errorf("%d verdicts are remembered", len(v.of))
	}
}
