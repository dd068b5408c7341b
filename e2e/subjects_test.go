//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// subject is an app of one kind in one class. What goes wrong around it must
// end the same way for all of them.
type subject struct {
	kind   string // wsgi, asgi, command or handler
	class  string // sync, threaded or event-loop
	places int    // requests that one worker holds at once
}

// subjects are all kinds in all classes, as tests start them: with one worker
// of few places.
var subjects = []subject{
	{"wsgi", "sync", 1}, {"wsgi", "threaded", 2}, {"wsgi", "event-loop", 2},
	{"asgi", "sync", 1}, {"asgi", "threaded", 2}, {"asgi", "event-loop", 2},
	{"command", "sync", 1}, {"command", "threaded", 2}, {"command", "event-loop", 2},
	{"handler", "sync", 1}, {"handler", "threaded", 2}, {"handler", "event-loop", 2},
}

func (u subject) String() string { return u.kind + " " + u.class }

// behindGateway reports whether requests come through a gateway.
func (u subject) behindGateway() bool { return u.kind != "handler" }

// forEachSubject runs a test for every subject, side by side.
func forEachSubject(t *testing.T, test func(t *testing.T, u subject)) {
	for _, u := range subjects {
		t.Run(u.String(), func(t *testing.T) {
			t.Parallel()
			test(t, u)
		})
	}
}

// start starts the subject's app with one worker and waits until it serves.
// All of them answer / at once and /slow?ms= after a while, having written
// "slow began".
func (u subject) start(t *testing.T, o options, args ...string) *server {
	t.Helper()
	all := u.command(t, &o, append([]string{"-b", "127.0.0.1:0"}, args...)...)
	return startWith(t, o, all...).ready()
}

// command is how the subject's app is started, with what it needs in o.
func (u subject) command(t *testing.T, o *options, args ...string) []string {
	t.Helper()
	all := append([]string{"-w", "1", "-k", u.class}, args...)
	switch u.class {
	case "threaded":
		all = append(all, "--threads", fmt.Sprint(u.places))
	case "event-loop":
		all = append(all, "--worker-connections", fmt.Sprint(u.places))
	}
	switch u.kind {
	case "command":
		all = append(all, as("web")...)
	case "handler":
		o.env = append(o.env, "GONICORN_DEMO_FAULTS=1")
		all = append([]string{"demo"}, all...)
	default:
		name := map[string]string{"wsgi": "subjects_app:app", "asgi": "subjects_app:asgi"}[u.kind]
		dir, err := filepath.Abs("python")
		if err != nil {
			t.Fatal(err)
		}
		o.env = append(o.env, "PYTHONDONTWRITEBYTECODE=1")
		all = append([]string{name, "--python", interpreter(t), "--chdir", dir}, all...)
	}
	return all
}

// process is the pid of the child with this role: gateway, guard, monitor,
// hooks or template. 0 is none.
func (s *server) process(role string) int {
	for _, pid := range s.children() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // of a Python process
		title := strings.ReplaceAll(cmdline(pid), "\x00", " ")
		if !zombie(pid) && (strings.HasPrefix(title, "gonicorn: "+role) || strings.HasPrefix("gonicorn "+role, strings.TrimSpace(string(name))) && len(name) > 12) {
			return pid
		}
	}
	return 0
}

// outcome is what became of a client's request.
type outcome struct {
	status int
	body   string
	err    error
	after  time.Duration // since the fault
}

func (o outcome) String() string {
	return fmt.Sprintf("%d %q %v after %s", o.status, o.body, o.err, o.after.Round(time.Millisecond))
}

// asking makes a request of its own connection and sends what became of it.
func asking(addr, path string) <-chan outcome {
	return askingWith(context.Background(), addr, path)
}

func askingWith(ctx context.Context, addr, path string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		began := time.Now()
		status, body, err := tryGet(ctx, addr, path)
		done <- outcome{status, body, err, time.Since(began)}
	}()
	return done
}

// asked is asking that returns once the request is on its way, or has failed.
func asked(addr, path string) <-chan outcome {
	sent, done := make(chan struct{}), make(chan outcome, 1)
	tell := sync.OnceFunc(func() { close(sent) })
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { tell() }}
	answer := askingWith(httptrace.WithClientTrace(context.Background(), trace), addr, path)
	go func() {
		o := <-answer
		tell()
		done <- o
	}()
	<-sent
	return done
}

// goneWithin expects that none of the processes is left after a while.
func goneWithin(t *testing.T, most time.Duration, pids ...int) {
	t.Helper()
	w := startWatch()
	for _, pid := range pids {
		for alive(pid) {
			if w.took() > most {
				t.Errorf("process %d (%s) is left after %s", pid, strings.ReplaceAll(cmdline(pid), "\x00", " "), most)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
