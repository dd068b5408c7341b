package workers

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

func TestTurn(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		share, yield, now int64
		want              time.Duration
	}{
		{0, 0, 3 * ms, 0},
		{40, 0, 3 * ms, 0}, {40, 0, 8 * ms, 192 * time.Millisecond}, {40, 0, 199 * ms, time.Millisecond}, {40, 0, 201 * ms, 0},
		{0, 40, 3 * ms, 5 * time.Millisecond}, {0, 40, 8 * ms, 0}, {0, 40, 207 * ms, time.Millisecond},
		{0, 1 << 60, 0, 40 * time.Millisecond}, {-1, -1, 0, 0}, // a slot may have any value
	} {
		slot := new(scoreboard.Slot)
		slot.Share.Store(c.share)
		slot.Yield.Store(c.yield)
		if got := (turn{slot}).wait(c.now); got != c.want {
			t.Errorf("share %d, yield %d: at %d ms it waits %s, want %s", c.share, c.yield, c.now/ms, got, c.want)
		}
	}
}

// A request that has ended, or has begun its answer, is not shown as waiting.
func TestPendingOfAWorkerOnTrial(t *testing.T) {
	slot := new(scoreboard.Slot)
	slot.Share.Store(40)
	m := NewMeter(slot)
	a, b := m.Begin("GET", "/a"), m.Begin("GET", "/b")
	m.ShowPending()
	pending := func() int { return len(slot.Own.Ages(scoreboard.Now() + 1)) }
	if n := pending(); n != 2 {
		t.Errorf("%d wait for their answer, want 2", n)
	}
	a.Answered(200)
	if n := pending(); n != 1 {
		t.Errorf("%d wait once one was answered, want 1", n)
	}
	b.Answered(500)
	a.End()
	b.End()
	if n := pending(); n != 0 || slot.Own.Answers.Load() != 2 || slot.Own.Errors.Load() != 1 {
		t.Errorf("%d wait in the end, answers %d, errors %d", n, slot.Own.Answers.Load(), slot.Own.Errors.Load())
	}
}
