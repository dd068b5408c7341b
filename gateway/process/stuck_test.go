//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// An interpreter whose pulse is late is held up by C code only if its thread
// had time and no processor would help it.
func TestStuckTellsAHeldGILFromABusyMachine(t *testing.T) {
	board, err := scoreboard.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	if err := board.Renew(1); err != nil {
		t.Fatal(err)
	}
	const second = int64(time.Second)
	for name, c := range map[string]struct {
		pulses   []int64 // at each look, a tenth of a second after the other
		runnable bool
		told     int
	}{
		"held":                     {[]int64{0, 0, 0}, false, 1},
		"late, then on":            {[]int64{0, 2 * second, 2 * second}, false, 0},
		"waits for a processor":    {[]int64{0, 0, 0}, true, 0},
		"held, on, and held again": {[]int64{0, 0, second / 2, second / 2}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			told := 0
			s := &stuck{
				board: board, loop: time.Second, inFlight: func() []wire.InFlight { return nil },
				report: func(wire.Stuck) { told++ }, runnable: func(int, int) bool { return c.runnable },
			}
			w := gateway.Worker{Slot: 1} // of nobody, as its page
			now := 100 * second
			slot := board.Slot(w.Slot)
			slot.Watcher.Store(1)
			for i, pulse := range c.pulses {
				slot.Pulse.Store(now - 2*second + pulse)
				s.look([]gateway.Worker{w}, now+int64(i)*second/10)
			}
			if told != c.told {
				t.Errorf("told %d times, want %d", told, c.told)
			}
		})
	}
}
