//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/ledgerload"
)

// chaosThreads is how many requests a worker has in flight at most: what its end
// may do harm to.
const chaosThreads = 4

// For a while (6 s, or a minute where GONICORN_SOAK is set) workers are killed, stopped,
// hung and scaled at random under load. No answer is mixed up with another, no
// POST is carried out twice, and nobody is harmed but by the end of the worker
// that had the request. Then all must be as if nothing had been.
func TestChaos(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"threaded", "handler"} { // behind a gateway, and without one
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := ledgerKindOf(t, name)
			k.args = []string{"-k", "threaded", "--threads", fmt.Sprint(chaosThreads)}
			chaos(t, startLedger(t, k, "-w", "4", "--timeout", "2", "--request-timeout", "2", "--graceful-timeout", "3"), 4)
		})
	}
}

func chaos(t *testing.T, s *ledgered, workers int) {
	length := 6 * time.Second
	if os.Getenv("GONICORN_SOAK") != "" {
		length = time.Minute
	}
	s.ready()
	fdsBefore := openFDs(s.cmd.Process.Pid)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := s.begin(ledgerload.Options{Mix: ledgerload.Small(5 * time.Millisecond), Clients: 6, Client: ledgerload.NewClient(false), Seed: seed})
	faults, seen := s.havoc(rand.New(rand.NewPCG(seed, 1)), length)
	r, err := l.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d faults, %d workers seen: %s", faults, len(seen), r)
	if r.Mixed > 0 || r.Twice > 0 {
		t.Error("answers are mixed up, or POSTs were carried out twice")
	}
	harmed := r.Sent - r.Answered
	if harmed > faults*chaosThreads {
		t.Errorf("%d requests were harmed by %d faults of workers that have %d in flight", harmed, faults, chaosThreads)
	}
	if r.Answered <= 2*harmed {
		t.Errorf("only %d requests were answered", r.Answered)
	}
	s.calm(workers)
	l = s.begin(ledgerload.Options{Mix: ledgerload.Small(0), Clients: 2})
	answered(t, l, 50)
	s.settle(l)
	for pid := range seen {
		if s.pids()[pid] == 0 && alive(pid) && strings.Contains(cmdline(pid), "gonicorn") {
			t.Errorf("worker %d is an orphan", pid)
		}
	}
	// A place that a worker had keeps its sockets until another has it: there
	// are as many as there were workers at once, and not as many as have ended.
	eventually(t, fmt.Sprintf("the arbiter has no more descriptors than the %d at the start and those of a few places", fdsBefore), func() bool {
		return openFDs(s.cmd.Process.Pid) <= fdsBefore+2*2*workers
	})
	s.stop()
}

// havoc does something to a worker, or to their number, a few times a second.
// It returns how many workers it has ended, and all that there were.
func (s *ledgered) havoc(random *rand.Rand, length time.Duration) (faults int, seen map[int]bool) {
	seen = map[int]bool{}
	end := time.After(length)
	pace := time.NewTicker(150 * time.Millisecond)
	defer pace.Stop()
	for extra := 0; ; {
		select {
		case <-end:
			return faults, seen
		case <-pace.C:
		}
		var pids []int
		for pid := range s.pids() {
			pids = append(pids, pid)
			seen[pid] = true
		}
		if len(pids) == 0 {
			continue
		}
		victim := pids[random.IntN(len(pids))]
		switch what := random.IntN(7); what {
		case 0, 1, 2:
			faults++
			_ = syscall.Kill(victim, []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGSTOP}[what]) // it may be gone
		case 3:
			faults++
			go tryGet(context.Background(), s.addr(), "/?ms=600000") // it is meant to fail
		case 4:
			if extra < 4 {
				extra++
				s.signal(syscall.SIGTTIN)
			}
		case 5:
			if extra > 0 {
				extra--
				s.signal(syscall.SIGTTOU)
			}
		case 6:
			s.signal(syscall.SIGHUP)
			extra = 0
		}
	}
}

// calm waits until the workers are as they were at the start. HUP sets their
// number back; one that comes during a reload has another follow it.
func (s *ledgered) calm(workers int) {
	s.t.Helper()
	t, is := s.t.(*testing.T)
	if !is {
		s.t.Fatal("only tests calm down")
	}
	eventually(t, "no worker hangs, and the last reload is over", func() bool {
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.log.find(ctx, mark, regexp.MustCompile(`new generation serves`))
		return err == nil
	})
	eventually(t, "all workers are ready and no others are left", func() bool {
		pids := s.pids()
		for _, child := range s.children() {
			if zombie(child) || pids[child] == 0 && child != s.process("guard") && child != s.process("gateway") {
				return false
			}
		}
		return len(pids) == workers
	})
}

func openFDs(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
}
