//go:build !linux || portable

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// psTime bounds how long ps(1) may take.
const psTime = 5 * time.Second

// seen is what ps(1) shows of a process.
type seen struct {
	pid, pgid int
	state     byte // the first letter: R, S, T, Z and others
	Use
}

// ps asks ps(1), which every system has, about one process, or about all if pid is 0.
func ps(pid int) ([]seen, error) {
	ctx, cancel := context.WithTimeout(context.Background(), psTime)
	defer cancel()
	args := []string{"-A"}
	if pid > 0 {
		args = []string{"-p", strconv.Itoa(pid)}
	}
	cmd := exec.CommandContext(ctx, "ps", append(args, "-o", "pid=", "-o", "pgid=", "-o", "stat=", "-o", "rss=", "-o", "time=")...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/bin:/usr/bin", "LC_ALL=C")
	out, err := cmd.Output()
	var failed *exec.ExitError
	if err != nil && !(pid > 0 && errors.As(err, &failed)) { // it fails for a process that is gone
		return nil, fmt.Errorf("ask ps: %w", err)
	}
	var all []seen
	for line := range strings.Lines(string(out)) {
		if s, ok := parsePS(line); ok {
			all = append(all, s)
		}
	}
	return all, nil
}

func parsePS(line string) (s seen, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 5 {
		return s, false
	}
	pid, pidErr := strconv.Atoi(fields[0])
	pgid, pgidErr := strconv.Atoi(fields[1])
	kilobytes, rssErr := strconv.ParseInt(fields[3], 10, 64)
	cpu, timeErr := parseCPUTime(fields[4])
	if errors.Join(pidErr, pgidErr, rssErr, timeErr) != nil {
		return s, false
	}
	return seen{pid: pid, pgid: pgid, state: fields[2][0], Use: Use{RSS: kilobytes << 10, CPU: cpu}}, true
}

// parseCPUTime reads a time as Linux writes it, 1-02:03:04, or as other systems do,
// 02:03.04.
func parseCPUTime(text string) (time.Duration, error) {
	days := 0
	if d, rest, found := strings.Cut(text, "-"); found {
		n, err := strconv.Atoi(d)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		days, text = n, rest
	}
	seconds := 0.0
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseFloat(strings.Replace(part, ",", ".", 1), 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		seconds = seconds*60 + n
	}
	return time.Duration(days)*24*time.Hour + time.Duration(seconds*float64(time.Second)), nil
}

// psState is the letter of a process's state; 0 if the process is gone.
func psState(pid int) byte {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	if all, err := ps(pid); err == nil && len(all) == 1 {
		return all[0].state
	}
	return 0
}

// GroupUse measures process groups.
func GroupUse(pgids []int) (map[int]Use, error) {
	use := make(map[int]Use, len(pgids))
	for _, g := range pgids {
		use[g] = Use{}
	}
	all, err := ps(0)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for _, s := range all {
		if u, wanted := use[s.pgid]; wanted {
			use[s.pgid] = Use{RSS: u.RSS + s.RSS, CPU: u.CPU + s.CPU}
		}
	}
	return use, nil
}

// groupRuns reports whether the group has a process that is not a zombie.
func groupRuns(pgid int) bool {
	all, err := ps(0)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(s seen) bool { return s.pgid == pgid && s.state != 'Z' })
}

// groupLook is the time between two calls of groupRuns by a guard. It is long,
// because each call starts a process, and init usually reaps orphans at once.
const groupLook = time.Second

// Ended reports whether a process has ended, reaped or not.
func Ended(pid int) bool {
	state := psState(pid)
	return state == 0 || state == 'Z'
}

// Waits says in words whether a process runs, sleeps, or was stopped.
func Waits(pid int) string {
	switch state := psState(pid); state {
	case 0:
		return ""
	case 'R':
		return "it is running"
	case 'S', 'I':
		return "it sleeps"
	case 'D', 'U':
		return "it waits for a device or a file system"
	case 'T':
		return "it is stopped (SIGSTOP)"
	case 'Z':
		return "it has ended"
	default:
		return "its state is " + string(state)
	}
}
