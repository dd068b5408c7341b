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

// guardSettle is how long the gateway has to notice that the arbiter is gone,
// so that it gives no worker a request any more.
const guardSettle = 100 * time.Millisecond

// RunGuard is the role guard, for workers that know nothing of a lifeline: it
// waits until the arbiter is gone, then tells the process group of every child
// of the arbiter to finish, and kills those that have not done so within
// graceful. It returns its exit code when they are gone. killed is called first
// when the arbiter was killed, with its pid.
//
// It may run as root, so whom it signals comes from the register alone, which
// nobody but the arbiter can write, and when from what the gateways count.
//
// It ignores what a terminal or a service manager sends to everybody: as long
// as the arbiter lives, stopping is the arbiter's business. An arbiter that has
// stopped its workers kills the guard.
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
	_ = children.Claim() // for the gateways to know; it acts whether they do or not
	<-Lifeline(lifeline)
	deadline := time.Now().Add(graceful)
	if orphaned(arbiter) {
		killed(arbiter)
	}
	workers, guards := groupsOf(children.Children())
	awaitGroups(workers, counts, deadline)
	children.Yield() // a gateway that has finished waits for it
	awaitGroups(guards, counts, deadline)
	return 0
}

// Deputize does the guard's work if the guard dies too: a gateway calls it when
// the arbiter is gone. It returns when no worker is left, or graceful is over.
// took is called first when it has to act.
//
// Whoever kills the arbiter may kill the guard a moment later. So it stays
// ready as long as there is a guard, which has finished when it yields.
func Deputize(children *scoreboard.Register, counts *scoreboard.Board, graceful time.Duration, took func()) {
	deadline := time.Now().Add(graceful)
	for children.Claim() != nil {
		if !time.Now().Before(deadline) {
			return
		}
		time.Sleep(guardLook)
	}
	defer children.Yield() // to the gateway of another generation
	workers, _ := groupsOf(children.Children())
	if len(workers) == 0 {
		return
	}
	took()
	awaitGroups(workers, counts, deadline)
}

// orphaned reports whether this process's parent is not the arbiter any more. One
// that has become another binary (execve(2)) ends its lifeline too, and lives.
// Descriptors are closed before children get another parent.
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
	told bool // to finish
}

// groupsOf returns those children that still live and lead a process group, and
// apart from them those that guard. A pid that was given to another process
// since has another start.
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

// isAlive reports whether a child's group has a process left. While it has, its
// number is given to no process: if there is a process of that number with
// another start, the group was gone in between. Zombies count as long as nobody
// looks closely.
func isAlive(c scoreboard.Child, closely bool) bool {
	if ticks, err := StartTicks(c.PID); err == nil && ticks != c.StartTicks {
		return false
	}
	return GroupAlive(c.PID) && (!closely || groupRuns(c.PID))
}

// awaitGroups has the groups finish, waits until they are gone, and kills them
// when the time is over. Their processes are nobody's children any more and a
// group has no descriptor, so that there is no event to wait for.
//
// A program behind the gateway may die at TERM with a request in flight: it is
// told to finish once it has none. The gateway gives it no more.
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
				_ = SignalGroup(g.PID, syscall.SIGTERM) // whoever is gone already is what we want
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
					_ = SignalGroup(g.PID, syscall.SIGKILL) // it may have gone this moment
				}
			}
			return
		}
	}
}
