//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hoarder is an app whose workers hold as many MiB as the query of a request
// of /keep says, besides what each holds from its start.
const hoarder = `
import time
KEPT = bytearray(%d << 20)
MORE = []

def app(environ, start_response):
    n = int(environ["QUERY_STRING"]) if environ["PATH_INFO"] == "/keep" else 0
    if n:
        MORE.append(bytearray(n << 20))
    else:
        time.sleep(0.1)
    start_response("200 OK", [])
    return [b"ok"]
`

func hoard(t *testing.T, held int, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hoarder.py"), fmt.Appendf(nil, hoarder, held), 0o600); err != nil {
		t.Fatal(err)
	}
	return startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, append([]string{"hoarder:app", "-k", "sync",
		"-b", "127.0.0.1:0", "--python", interpreter(t), "--chdir", dir}, args...)...).ready()
}

// resident is what the workers hold together, in bytes.
func (s *server) resident() (sum int) {
	for pid := range s.pids() {
		sum += residentOf(pid)
	}
	return sum
}

// residentOf is what a process holds; one that is gone, or on its way out, has
// no memory any more.
func residentOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // there is none of a process that is gone
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, "VmRSS:"); is {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb << 10
		}
	}
	return 0
}

// Workers are not added beyond the budget, whatever waits (E8). Each holds
// about 80 MiB: two fit into 200, three do not.
func TestMemoryBudgetBoundsGrowth(t *testing.T) {
	t.Parallel()
	s := hoard(t, 64, "-w", "1", "--workers-min", "1", "--workers-max", "6", "--memory-budget", "200M")
	stop := crowd(t, s.addr(), 12)
	eventually(t, "two workers", func() bool { return len(s.pids()) == 2 })
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if n := s.resident(); n > 200<<20 {
			t.Fatalf("%d workers hold %d MiB", len(s.pids()), n>>20)
		}
	}
	stop()
	s.stop()
}

// Workers go while all together are over the budget (E8).
func TestMemoryBudgetLetsWorkersGo(t *testing.T) {
	t.Parallel()
	s := hoard(t, 64, "-w", "4", "--workers-min", "1", "--workers-max", "4", "--memory-budget", "200M")
	s.expect(`number of workers follows the load from=4 to=2`)
	s.expect(`worker is told to finish.* reason=memory_budget`)
	eventually(t, "they fit", func() bool { return s.resident() <= 200<<20 })
	s.stop()
}

// Where none may go, the largest is replaced (E8).
func TestMemoryBudgetReplacesTheLargest(t *testing.T) {
	t.Parallel()
	s := hoard(t, 0, "-w", "2", "--memory-budget", "160M")
	if resp, _ := fetch(t, "GET", "http://"+s.addr()+"/keep?150", nil); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	s.expect(`workers are over memory_budget: replacing the largest`)
	s.expect(`worker is told to finish.* reason=memory_budget`)
	eventually(t, "they fit", func() bool { return s.resident() <= 160<<20 })
	s.stop()
}

// A budget that the workers which must run cannot keep is said once (E8).
func TestMemoryBudgetThatCannotHold(t *testing.T) {
	t.Parallel()
	s := hoard(t, 64, "-w", "3", "--memory-budget", "100M")
	s.expect(`memory_budget cannot hold the workers that must run.* code=GON060`)
	if n := len(s.pids()); n != 3 {
		t.Errorf("%d workers", n)
	}
	s.stop()
}
