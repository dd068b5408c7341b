//go:build linux

package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// A request takes longer than timeout: under sync that ends its worker, under
// gthread and event-loop it is nobody's fault, as with gunicorn and uvicorn's
// worker. request_timeout ends it everywhere.
func TestTimeoutIsAboutWorkers(t *testing.T) {
	t.Parallel()
	const path = "/wait?2500"
	for name, c := range map[string]struct {
		args   []string
		theirs bool // gunicorn is asked too
		limit  bool
		want   int
	}{
		"sync":                     {args: []string{"slow_apps:wsgi", "-k", "sync"}, theirs: true, want: 504},
		"gthread":                  {args: []string{"slow_apps:wsgi", "-k", "gthread", "--threads", "2"}, theirs: true, want: 200},
		"gevent":                   {args: []string{"slow_apps:wsgi", "-k", "gevent"}, theirs: true, want: 200},
		"limit, gevent":            {args: []string{"slow_apps:wsgi", "-k", "gevent"}, limit: true, want: 504},
		"uvicorn worker":           {args: []string{"slow_apps:asgi", "-k", "uvicorn_worker.UvicornWorker"}, theirs: true, want: 200},
		"asgi":                     {args: []string{"slow_apps:asgi"}, want: 200},
		"command, threaded":        {args: []string{"-k", "threaded", "--threads", "2"}, want: 200},
		"command, event-loop":      {args: []string{"-k", "event-loop"}, want: 200},
		"Go, threaded":             {args: []string{"demo", "-k", "threaded", "--threads", "2"}, want: 200},
		"limit, sync":              {args: []string{"slow_apps:wsgi", "-k", "sync"}, limit: true, want: 504},
		"limit, gthread":           {args: []string{"slow_apps:wsgi", "-k", "gthread", "--threads", "2"}, limit: true, want: 504},
		"limit, asgi":              {args: []string{"slow_apps:asgi"}, limit: true, want: 504},
		"limit, command, threaded": {args: []string{"-k", "threaded", "--threads", "2"}, limit: true, want: 504},
		"a longer limit, sync":     {args: []string{"slow_apps:wsgi", "-k", "sync", "--request-timeout", "20"}, want: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, timeout := []string{"-w", "1", "--python", interpreter(t), "-b", "127.0.0.1:0", "--chdir", appFolder(t)}, []string{"--timeout", "1"}
			if c.limit {
				timeout = []string{"--timeout", "30", "--request-timeout", "1"}
			}
			args := append(append(own, timeout...), c.args...)
			if strings.HasPrefix(name, "command") || strings.Contains(name, ", command") {
				args = append(args, "--", interpreter(t), "slow_apps.py")
			}
			if c.theirs {
				at := freePort(t)
				startRival(t, appFolder(t), nil, "gunicorn", append(c.args, "-t", "3", "-b", at)...).answers(at, "/")
				status, _, err := tryGet(t.Context(), at, "/wait?5000")
				if served := err == nil && status == 200; served != (c.want == 200) {
					t.Errorf("gunicorn answers %d %v", status, err)
				}
			}
			s := startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, args...).ready()
			url := path
			if c.args[0] == "demo" {
				url = "/slow?ms=2500"
			}
			if status, _ := get(t, s.addr(), url); status != c.want {
				t.Errorf("status %d, want %d", status, c.want)
			}
			if c.want == 200 && strings.Contains(s.log.text(), "hangs") {
				t.Error("the worker was called hung")
			}
			s.stop()
		})
	}
}

// A request that no worker may get twice, and whose worker hung on it with the
// GIL in its hand, is answered 504 as any other that hangs; one whose worker was
// killed by somebody 502.
func TestHungWorkerAnswers504(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "gthread --threads 2", "event-loop", "gevent"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "hangs:wsgi", append([]string{"-w", "1", "--timeout", "2", "-k"}, strings.Fields(class)...)...).ready()
			mark := s.log.mark()
			resp, _ := fetch(t, "POST", "http://"+s.addr()+"/gil?60", strings.NewReader("once"))
			if resp.StatusCode != 504 {
				t.Errorf("POST to a worker that hung: %d", resp.StatusCode)
			}
			s.expectFrom(mark, `worker ready`) // on a busy machine the next request would time out before that
			done := make(chan int, 1)
			go func() {
				resp, _ := fetch(t, "POST", "http://"+s.addr()+"/told?60", strings.NewReader("once"))
				done <- resp.StatusCode
			}()
			s.expect(`told begun`)
			for pid := range s.pids() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // the one that hung may be gone, and its line not yet there
			}
			if status := <-done; status != 502 {
				t.Errorf("POST to a worker that was killed: %d", status)
			}
		})
	}
}
