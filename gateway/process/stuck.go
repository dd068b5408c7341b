package process

import (
	"cmp"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// fewest is how late a Python worker's own thread must be at least to count as blocked
// by C code. The thread runs twice a second.
const fewest = time.Second

// stuckTold is how many requests of commands are reported at one check.
const stuckTold = 3

// stuck looks for faults that workers cannot report themselves: C code that holds
// Python's GIL, and a request that a command does not answer. It belongs to the
// goroutine that calls look.
type stuck struct {
	board    *scoreboard.Board
	inFlight func() []wire.InFlight
	report   func(wire.Stuck)
	loop     time.Duration // how long C code may hold the GIL; 0 is no bound
	request  time.Duration // how long a command may take; 0 is no bound

	runnable func(pid, thread int) bool // whether a thread waits only for a processor

	seen   map[int]int64   // by slot: the pulse that was late at the last check
	pulses map[int]int64   // by slot: the pulse that was reported
	told   map[uint64]bool // by number: requests that were reported or counted
}

// look reports each fault once. workers are those that serve or drain.
func (s *stuck) look(workers []gateway.Worker, now int64) {
	if s.inFlight == nil {
		return
	}
	commands := false
	for _, w := range workers {
		if w.Network != "" {
			commands = true
		} else if s.loop > 0 {
			s.lookAtPulse(w, now)
		}
	}
	if commands && s.request > 0 {
		s.lookAtRequests()
	}
}

func (s *stuck) lookAtPulse(w gateway.Worker, now int64) {
	if s.board == nil || w.Slot < 0 || w.Slot >= scoreboard.Slots {
		return
	}
	slot := s.board.Slot(w.Slot)
	pulse := slot.Pulse.Load()
	watcher := slot.Watcher.Load()
	if pulse == 0 || watcher == 0 || s.board.Owner(w.Slot) != w.PID || time.Duration(now-pulse) < max(s.loop, fewest) || s.pulses[w.Slot] == pulse {
		return
	}
	if s.pulses == nil {
		s.pulses, s.seen = map[int]int64{}, map[int]int64{}
	}
	// On a busy machine the thread may not have had a processor. So it gets the time
	// until the next check. A thread that is runnable does not wait for the GIL.
	if s.seen[w.Slot] != pulse || s.runnable(w.PID, int(watcher)) {
		s.seen[w.Slot] = pulse
		return
	}
	s.pulses[w.Slot] = pulse
	oldest, all := wire.InFlight{}, 0
	for _, h := range s.inFlight() {
		if h.Slot == w.Slot && h.PID == w.PID {
			all++
			if h.Age > oldest.Age {
				oldest = h
			}
		}
	}
	s.report(wire.Stuck{Slot: w.Slot, PID: w.PID, InFlight: oldest, More: max(0, all-1)})
}

func (s *stuck) lookAtRequests() {
	var late []wire.InFlight
	told := map[uint64]bool{}
	for _, h := range s.inFlight() {
		if h.Age >= s.request {
			if !s.told[h.Number] {
				late = append(late, h)
			}
			told[h.Number] = true
		}
	}
	s.told = told
	slices.SortFunc(late, func(a, b wire.InFlight) int { return cmp.Compare(b.Age, a.Age) })
	for i, h := range late[:min(len(late), stuckTold)] {
		w := wire.Stuck{Slot: h.Slot, PID: h.PID, InFlight: h}
		if i == 0 {
			w.More = max(0, len(late)-stuckTold)
		}
		s.report(w)
	}
}
