//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchPolicy is SCHED_BATCH (sched(7)).
const batchPolicy = 3

// Python workers and their gateway are batch processes while they have much to do, and
// normal ones when they have not, if the setting allows it.
func TestBusyProcessesAreBatchProcesses(t *testing.T) { // not parallel: it needs its share of the CPUs
	for _, c := range []struct {
		name     string
		of       subject
		args     []string
		gateway  bool // becomes a batch process
		worker   bool
		reforked bool // the worker is replaced by a copy of a busy one
	}{
		{name: "sync", of: subject{"wsgi", "sync", 1}, gateway: true, worker: true},
		{name: "threaded", of: subject{"wsgi", "threaded", 3}, gateway: true, worker: true},
		{name: "event-loop", of: subject{"asgi", "event-loop", 9}, gateway: true, worker: true},
		{name: "wsgi on a loop", of: subject{"wsgi", "event-loop", 9}, gateway: true, worker: true},
		{name: "gevent", of: subject{"wsgi", "gevent", 9}, gateway: true, worker: true},
		{name: "copies", of: subject{"wsgi", "sync", 1}, args: []string{"--preload", "--refork-after", "12000"}, gateway: true, worker: true, reforked: true},
		{name: "command", of: subject{"command", "event-loop", 9}},
		{name: "not wanted", of: subject{"wsgi", "sync", 1}, args: []string{"--no-batch-scheduling"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.of.start(t, options{}, c.args...)
			if got := append(policies(gatewayPID(s)), workerPolicies(s)...); slices.Contains(got, batchPolicy) {
				t.Errorf("policies of an idle gonicorn: %v", got)
			}
			l := hammer(t, s.addr())
			if c.gateway {
				eventually(t, "the gateway is a batch process", func() bool { return !slices.Contains(policies(gatewayPID(s)), 0) })
			}
			if c.worker {
				eventually(t, "the worker is a batch process", func() bool { return slices.Contains(workerPolicies(s), batchPolicy) })
			}
			if c.reforked {
				eventually(t, "the worker is a copy", func() bool { return s.count(0, "worker gone") == 2 && len(s.pids()) == 1 })
			}
			if !c.gateway {
				l.served(t, 4000)
				if got := append(policies(gatewayPID(s)), workerPolicies(s)...); slices.Contains(got, batchPolicy) {
					t.Errorf("policies: %v", got)
				}
			}
			l.expectNoFailure(t)
			eventually(t, "all are normal processes again", func() bool {
				got := append(policies(gatewayPID(s)), workerPolicies(s)...)
				got = append(got, policies(s.process("template"))...)
				return len(got) > 1 && !slices.Contains(got, batchPolicy)
			})
			s.stop()
		})
	}
}

// roleFiltered makes this test binary become another program under a filter for system
// calls that kills a process which changes how it is scheduled.
const roleFiltered = "filtered"

// Where a filter for system calls would kill the gateway and the workers for it, they
// stay normal processes.
func TestBatchSchedulingIsForbidden(t *testing.T) {
	s := startProgram(t, options{env: []string{envRole + "=" + roleFiltered, "PYTHONDONTWRITEBYTECODE=1"}}, append([]string{os.Getenv("E2E_APP"), binary()},
		subject{"wsgi", "sync", 1}.command(t, &options{}, "-b", "127.0.0.1:0")...)...).ready()
	s.expect(`batch_scheduling is off`)
	mark := s.log.mark()
	l := hammer(t, s.addr())
	l.served(t, 8000)
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `worker gone`)
	l.served(t, 8000)
	if got := append(policies(gatewayPID(s)), workerPolicies(s)...); slices.Contains(got, batchPolicy) {
		t.Errorf("policies: %v", got)
	}
	l.expectNoFailure(t)
	if lost := s.count(0, "lost"); lost != 0 {
		t.Errorf("%d processes were lost", lost)
	}
	s.stop()
}

// playFiltered becomes the program in its arguments.
func playFiltered() {
	filter := []unix.SockFilter{ // seccomp(2); seccomp_data begins with the number of the call
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SCHED_SETSCHEDULER, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	}
	os.Unsetenv(envRole)
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// hammer has four clients ask without a pause, each over one connection.
func hammer(t *testing.T, addr string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for range 4 {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		client := &http.Client{Transport: transport, Timeout: bound}
		l.wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := client.Get("http://" + addr + "/")
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				l.done.Add(1)
				if err != nil || resp.StatusCode != http.StatusOK {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, fmt.Sprint(resp, err))
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// policies are those of a process's threads, as sched(7) numbers them, but for the
// thread that watches a worker.
func policies(pid int) (all []int) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, _ := os.ReadDir(dir)
	for _, task := range tasks {
		text, err := os.ReadFile(dir + "/" + task.Name() + "/stat")
		name, rest, found := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); err == nil && found && len(fields) > 38 && !strings.HasSuffix(name, "(gonicorn-watch") {
			policy, _ := strconv.Atoi(fields[38]) // field 41 of proc_pid_stat(5)
			all = append(all, policy)
		}
	}
	return all
}

func workerPolicies(s *server) (all []int) {
	for pid := range s.pids() {
		all = append(all, policies(pid)...)
	}
	return all
}
