package proc

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// guardLook is how often the guard looks whether the workers are gone.
const guardLook = 20 * time.Millisecond

// RunGuard is the role guard, for workers that know nothing of a lifeline: it
// waits until the arbiter is gone, then tells the process group of every worker
// on the board to finish, and kills those that have not done so within
// graceful. It returns its exit code when they are gone.
//
// It ignores what a terminal or a service manager sends to everybody: as long
// as the arbiter lives, stopping is the arbiter's business. An arbiter that has
// stopped its workers kills the guard.
func RunGuard(board *scoreboard.Board, lifeline int, graceful time.Duration) int {
	ignoreBroadcasts()
	return guardWorkers(board, lifeline, graceful)
}

func ignoreBroadcasts() {
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
}

func guardWorkers(board *scoreboard.Board, lifeline int, graceful time.Duration) int {
	<-Lifeline(lifeline)
	groups := workersOn(board)
	for _, g := range groups {
		_ = SignalGroup(g, syscall.SIGTERM) // whoever is gone already is what we want
		_ = SignalGroup(g, syscall.SIGCONT)
	}
	awaitGroups(groups, graceful)
	return 0
}

// workersOn returns the process groups of the board's workers that still live.
// A pid that has been given to another process since has another start.
func workersOn(board *scoreboard.Board) []int {
	var groups []int
	for i := range scoreboard.Slots {
		slot := board.Slot(i)
		pid := int(slot.PID.Load())
		if pid <= 1 || pid == os.Getpid() {
			continue
		}
		if ticks, err := StartTicks(pid); err != nil || ticks != slot.StartTicks.Load() {
			continue
		}
		if pgid, err := syscall.Getpgid(pid); err != nil || pgid != pid {
			continue // a worker leads its group
		}
		groups = append(groups, pid)
	}
	return groups
}

// awaitGroups waits until the groups are gone and kills them when the time is
// over. Their processes are nobody's children any more and a group has no
// descriptor, so that there is no event to wait for.
func awaitGroups(groups []int, graceful time.Duration) {
	deadline := time.NewTimer(graceful)
	defer deadline.Stop()
	look := time.NewTicker(guardLook)
	defer look.Stop()
	for {
		kept := groups[:0]
		for _, g := range groups {
			if GroupAlive(g) {
				kept = append(kept, g)
			}
		}
		if groups = kept; len(groups) == 0 {
			return
		}
		select {
		case <-look.C:
		case <-deadline.C:
			for _, g := range groups {
				_ = SignalGroup(g, syscall.SIGKILL) // it may have gone this moment
			}
			return
		}
	}
}
