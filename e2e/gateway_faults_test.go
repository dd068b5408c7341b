//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A gateway out of descriptors accepts nothing for a while and says what to do;
// those that it has are served, and the others as soon as there is room.
func TestGatewayOutOfDescriptorsGoesOn(t *testing.T) {
	t.Parallel()
	for _, u := range []subject{{"wsgi", "sync", 1}, {"wsgi", "threaded", 2}, {"asgi", "event-loop", 10}, {"command", "event-loop", 10}} {
		t.Run(u.String(), func(t *testing.T) {
			t.Parallel()
			s := u.start(t, options{}, "-w", "2", "--keep-alive", "60")
			if status, _ := get(t, s.addr(), "/"); status != 200 {
				t.Fatalf("status %d", status)
			}
			pid, workers := s.process("gateway"), s.pids()
			var before unix.Rlimit
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
				t.Fatal(err)
			}
			few := unix.Rlimit{Cur: uint64(freeFD(pid)) + 12, Max: before.Max}
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
				t.Fatal(err)
			}
			mark := s.log.mark()
			var clients []*keepAlive
			for range 30 {
				c := dial(t, s.addr())
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				clients = append(clients, c)
			}
			s.expectFrom(mark, `ERROR.* cannot accept connections: .*raise the limit \(ulimit -n.*too many open files`)
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
				t.Fatal(err)
			}
			for i, c := range clients {
				// A command may be out of reach; its client is told so.
				resp, _ := c.answer("GET")
				if resp.StatusCode != 200 && (u.kind != "command" || resp.StatusCode < 502) {
					t.Errorf("client %d got %s", i, resp.Status)
				}
			}
			if now := s.process("gateway"); now != pid {
				t.Errorf("the gateway ended: %d is %d now", pid, now)
			}
			for worker := range workers {
				if !alive(worker) {
					t.Errorf("worker %d ended", worker)
				}
			}
			if n := s.count(mark, "cannot accept connections"); n != 1 {
				t.Errorf("%d lines say the same", n)
			}
			s.stop()
		})
	}
}

// A template that stands still is replaced when a worker is to be forked from it,
// and a process of hooks that does keeps nobody from serving, reloading or
// stopping; the log has a line of each.
func TestStoppedTemplateAndHooksStopNobodyElse(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "gunicorn.conf.py")
	if err := os.WriteFile(conf, []byte("def child_exit(server, worker):\n    print('child_exit ran', flush=True)\n\ndef when_ready(server):\n    pass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := python(t, "subjects_app:app", "-w", "2", "-c", conf, "--start-method", "fork", "--graceful-timeout", "5").ready()
	eventually(t, "the process of hooks is there", func() bool { return s.process("hooks") != 0 })

	template, mark := s.process("template"), s.log.mark()
	stopProcess(t, template)
	kill(t, anyOf(s.pids()), syscall.SIGKILL)
	for range 10 {
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Errorf("status %d while the template stands still", status)
		}
	}
	s.expectFrom(mark, `(ERROR|WARNING).* template .*pid=`)
	s.expectFrom(mark, `template ready`)
	s.expectFrom(mark, `worker ready`)
	goneWithin(t, bound, template)

	hooks, mark := s.process("hooks"), s.log.mark()
	stopProcess(t, hooks)
	kill(t, anyOf(s.pids()), syscall.SIGKILL)
	s.expectFrom(mark, `worker ready`)
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `new generation serves`)
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("status %d while the process of hooks stands still", status)
	}
	pids := s.children()
	w := startWatch()
	s.stop()
	w.expectAtMost(t, 10*time.Second, "TERM while the process of hooks stands still")
	goneWithin(t, 2*time.Second, append(pids, hooks)...)
	said := false
	for _, line := range s.log.lines(mark) {
		said = said || strings.Contains(line, "hook") && (strings.Contains(line, "WARNING") || strings.Contains(line, "ERROR"))
	}
	if !said {
		t.Error("nothing is said of hooks that did not run")
	}
}
