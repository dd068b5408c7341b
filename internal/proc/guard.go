package proc

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// guardLook is the time between two checks whether the workers are gone.
const guardLook = 20 * time.Millisecond

// guardSettle is the time for the gateway to notice that the arbiter is gone. After
// that it gives workers no more requests.
const guardSettle = 100 * time.Millisecond

// RunGuard is the role guard, for workers that do not watch a lifeline. It waits
// until the arbiter is gone, and then tells the process group of every child of the
// arbiter to finish. It kills those that have not ended within graceful. When all
// are gone, it returns its exit code. If the arbiter was killed, it first calls
// killed with the arbiter's pid.
//
// It may run as root. So the register alone, which only the arbiter can write,
// decides which processes it signals, and the counts of the gateways decide when.
//
// It ignores signals that a terminal or a service manager sends to all processes:
// while the arbiter lives, the arbiter does the stopping. Once the arbiter has
// stopped its workers, it kills the guard.
func RunGuard(children *scoreboard.Register, counts *scoreboard.Board, lifeline int, graceful time.Duration, killed func(arbiter int)) int {
	ignoreBroadcasts()
	return guardWorkers(children, counts, lifeline, graceful, killed)
}

func ignoreBroadcasts() {
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
}

func guardWorkers(children *scoreboard.Register, counts *scoreboard.Board, lifeline int, graceful time.Duration, killed func(arbiter int)) int {
	arbiter := os.Getppid()
	_ = children.Claim() // tells the gateways that there is a guard; the guard acts even if this fails
	<-Lifeline(lifeline)
	deadline := time.Now().Add(graceful)
	if orphaned(arbiter) {
		killed(arbiter)
	}
	workers, guards := groupsOf(children.Children())
	awaitGroups(workers, counts, deadline)
	children.Yield() // a gateway that has finished waits for this
	awaitGroups(guards, counts, deadline)
	return 0
}

// Deputize does the guard's work if the guard dies too. A gateway calls it when the
// arbiter is gone. It returns when no worker is left or graceful is over. If it has
// to act, it calls took first.
//
// Whoever kills the arbiter may kill the guard a moment later. So it waits as long
// as there is a guard. A guard that has finished yields its claim.
func Deputize(children *scoreboard.Register, counts *scoreboard.Board, graceful time.Duration, took func()) {
	deadline := time.Now().Add(graceful)
	for children.Claim() != nil {
		if !time.Now().Before(deadline) {
			return
		}
		time.Sleep(guardLook)
	}
	defer children.Yield() // for the gateway of another generation
	workers, _ := groupsOf(children.Children())
	if len(workers) == 0 {
		return
	}
	took()
	awaitGroups(workers, counts, deadline)
}

// orphaned reports whether the arbiter is no longer this process's parent. If the
// arbiter became another binary (execve(2)), the lifeline ends too, but the arbiter
// lives. orphaned waits for a moment, because the kernel closes the descriptors of a
// dead process before its children get another parent.
func orphaned(arbiter int) bool {
	for deadline := time.Now().Add(guardSettle); os.Getppid() == arbiter; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// guarded is the process group of a child of the arbiter.
type guarded struct {
	scoreboard.Child
	told bool // it was told to finish
}

// groupsOf returns the children that still live and lead a process group. Those
// that guard are returned separately. If a pid now belongs to another process, its
// start time differs.
func groupsOf(children []scoreboard.Child) (groups, guards []guarded) {
	for _, c := range children {
		if c.PID <= 1 || c.PID == os.Getpid() {
			continue
		}
		if ticks, err := StartTicks(c.PID); err != nil || ticks != c.StartTicks {
			continue
		}
		if pgid, err := syscall.Getpgid(c.PID); err != nil || pgid != c.PID {
			continue
		}
		if c.Guards {
			guards = append(guards, guarded{Child: c})
			continue
		}
		groups = append(groups, guarded{Child: c})
	}
	return groups, guards
}

// isAlive reports whether a child's group has a process left. While it has, the
// kernel gives its number to no new process: if a process with that number has
// another start time, the group is gone. Zombies count as alive unless closely is
// set.
func isAlive(c scoreboard.Child, closely bool) bool {
	if ticks, err := StartTicks(c.PID); err == nil && ticks != c.StartTicks {
		return false
	}
	return GroupAlive(c.PID) && (!closely || groupRuns(c.PID))
}

// awaitGroups tells the groups to finish, waits until they are gone, and kills them
// when the time is over. It must poll: their processes are not our children, and
// there is no descriptor for a group.
//
// A program behind the gateway may die at TERM with a request in flight, so it is
// told to finish only once it has none. The gateway gives it no more.
func awaitGroups(groups []guarded, counts *scoreboard.Board, end time.Time) {
	graceful := time.Until(end)
	deadline := time.NewTimer(graceful)
	defer deadline.Stop()
	look := time.NewTicker(guardLook)
	defer look.Stop()
	settled := time.Now().Add(min(guardSettle, graceful/2))
	var looked time.Time
	for {
		closely := time.Since(looked) >= groupLook
		if closely {
			looked = time.Now()
		}
		kept := groups[:0]
		for _, g := range groups {
			if !isAlive(g.Child, closely) {
				continue
			}
			if !g.told && time.Now().After(settled) && counts.Account(g.Slot).InFlight.Load() <= 0 {
				g.told = true
				_ = SignalGroup(g.PID, syscall.SIGTERM) // an error means that it is gone already
				_ = SignalGroup(g.PID, syscall.SIGCONT)
			}
			kept = append(kept, g)
		}
		if groups = kept; len(groups) == 0 {
			return
		}
		select {
		case <-look.C:
		case <-deadline.C:
			for _, g := range groups {
				if isAlive(g.Child, false) {
					_ = SignalGroup(g.PID, syscall.SIGKILL) // it may have ended at this moment
				}
			}
			return
		}
	}
}
