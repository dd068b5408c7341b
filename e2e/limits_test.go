//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// procLine is a line of a file about a process.
func procLine(t testing.TB, pid int, file, prefix string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, prefix); is {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	t.Fatalf("no %q in %s", prefix, text)
	return ""
}

// niceOf is a process's nice value (proc_pid_stat(5)).
func niceOf(t testing.TB, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	nice, err := strconv.Atoi(strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[16])
	if err != nil {
		t.Fatal(err)
	}
	return nice
}

func TestWorkersAreLimited(t *testing.T) {
	t.Parallel()
	args := []string{"-w", "2", "--nice", "5", "--cpu-affinity", "auto", "--rlimit-nofile", "300", "--rlimit-core", "0"}
	for name, s := range map[string]*server{
		"command": web(t, options{}, args...),
		"Python":  python(t, "plain:app", args...),
		"Go":      demo(t, args...),
	} {
		t.Run(name, func(t *testing.T) {
			s.ready()
			for pid := range s.pids() {
				if got := procLine(t, pid, "limits", "Max open files"); got != "300 300 files" {
					t.Errorf("descriptors: %s", got)
				}
				if got := procLine(t, pid, "limits", "Max core file size"); got != "0 0 bytes" {
					t.Errorf("core: %s", got)
				}
				if got := procLine(t, pid, "status", "Cpus_allowed_list:"); strings.ContainsAny(got, "-,") && !platform.Portable {
					t.Errorf("CPUs %s, want one", got)
				}
				if got, want := niceOf(t, pid), niceOf(t, os.Getpid())+5; got != want {
					t.Errorf("nice %d, want %d", got, want)
				}
			}
			if got := procLine(t, s.cmd.Process.Pid, "limits", "Max open files"); strings.HasPrefix(got, "300 ") {
				t.Error("the arbiter has its workers' limit")
			}
			s.stop()
		})
	}
}

// The check is for classes with many connections, by whatever name somebody asks
// for one, and where the app asks for it.
func TestTooFewDescriptorsAreSaid(t *testing.T) {
	t.Parallel()
	few := []string{"--rlimit-nofile", "100"}
	for name, start := range map[string]func(*testing.T) *server{
		"command":           func(t *testing.T) *server { return web(t, options{}, append(few, "-k", "event-loop")...) },
		"command, an alias": func(t *testing.T) *server { return web(t, options{}, append(few, "-k", "asgi")...) },
		"Go, an alias":      func(t *testing.T) *server { return demo(t, append(few, "-k", "asgi")...) },
		"Python, an alias":  func(t *testing.T) *server { return python(t, "plain:app", append(few, "-k", "asgi")...) },
		"Python, uvicorn's": func(t *testing.T) *server {
			return python(t, "plain:app", append(few, "-k", "uvicorn.workers.UvicornWorker")...)
		},
		"Python, by its ASGI": func(t *testing.T) *server { return python(t, "starlette_app:app", few...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.expect(`rlimit_nofile: 100 descriptors are too few for worker_connections = 1000, which needs 1064`)
			if code := s.wait(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
		})
	}
}

func TestNoCgroupIsSaidOnce(t *testing.T) {
	t.Parallel()
	needsLinux(t, "cgroups")
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		t.Skip("cgroups may be delegated here")
	}
	s := web(t, options{}, "-w", "2", "--cgroup-memory-max", "100M").ready()
	s.expect(`workers get no cgroup of their own`)
	s.stop()
	if n := strings.Count(s.log.text(), "no cgroup of their own"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
