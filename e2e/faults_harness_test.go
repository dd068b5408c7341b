//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crew is one way of running an app: a class, and a kind of worker. Faults are
// to end the same way in all of them.
type crew struct {
	kind  string // python, command, go
	class string // sync, threaded, event-loop
	hangs bool   // GET /hang holds up the worker, and the class must notice
}

// crews are all of them.
func crews() (all []crew) {
	for _, kind := range []string{"python", "command", "go"} {
		for _, class := range []string{"sync", "threaded", "event-loop"} {
			// A goroutine that runs for ever holds up nobody else in the event loop of Go.
			all = append(all, crew{kind, class, kind != "go" || class != "event-loop"})
		}
	}
	return all
}

func (c crew) String() string { return c.kind + "/" + c.class }

// start runs the crew's app with further arguments, until it is ready.
func (c crew) start(t *testing.T, args ...string) *server {
	t.Helper()
	args = append([]string{"-k", c.class}, args...)
	if c.class == "threaded" {
		args = append(args, "--threads", "4")
	}
	switch c.kind {
	case "go":
		return demo(t, args...).ready()
	case "python":
		app := "faults_app:wsgi"
		if c.class == "event-loop" {
			app = "faults_app:asgi"
		}
		return python(t, app, args...).ready()
	}
	script, err := filepath.Abs("python/faults_app.py")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, append(append([]string{"-b", "127.0.0.1:0"}, args...), "--", interpreter(t), script)...).ready()
}

// ask makes a request on a connection of its own; the status is 0 when there is
// no answer.
func ask(ctx context.Context, method, addr, path string) (status int, took time.Duration) {
	began := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: bound}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, strings.NewReader(strings.Repeat("x", 16)))
	if err != nil {
		return 0, 0
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, time.Since(began)
	}
	resp.Body.Close()
	return resp.StatusCode, time.Since(began)
}

// replaced waits until another worker is ready in place of one that was lost at
// a mark in the log, and returns how long that took since began.
func (s *server) replaced(mark int, began time.Time, pid int) time.Duration {
	s.t.Helper()
	s.expectFrom(mark, `worker (lost|gone|hangs).* pid=`+strconv.Itoa(pid)+`\b`)
	s.expectFrom(mark, `worker ready`)
	return time.Since(began)
}

// count counts lines of the log from a mark on.
func (s *server) count(mark int, text string) (n int) {
	for _, line := range s.log.lines(mark) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// allServe expects that n requests at once, so that no worker is left out, are
// answered.
func (s *server) allServe(n int) {
	s.t.Helper()
	addr := s.addr()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if status, took := ask(context.Background(), http.MethodGet, addr, "/"); status != http.StatusOK {
				s.t.Errorf("status %d after %s once a worker was replaced", status, took)
			}
		})
	}
	all.Wait()
}

// stopsWithin expects that TERM ends gonicorn well before graceful_timeout, which
// is 30 s, on a machine that has other tests to run.
func (s *server) stopsWithin(d time.Duration) {
	s.t.Helper()
	w := startWatch()
	s.stop()
	w.expectAtMost(s.t, d, "TERM")
}

func stopProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop process %d: %v", pid, err)
	}
	eventually(t, fmt.Sprintf("process %d stands still", pid), func() bool { return procState(pid) == 'T' })
}

// procState is the letter of proc_pid_stat(5); 0 for a process that is gone.
func procState(pid int) byte {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(text, ')'); i >= 0 && len(text) > i+2 {
		return text[i+2]
	}
	return 0
}
