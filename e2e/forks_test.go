//go:build linux

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Children that the app forks end at terminate(), and have nothing of the
// worker's: it goes on as if they had never been.
func TestForkedChildren(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"sync":       {"forks:wsgi"},
		"threaded":   {"forks:wsgi", "-k", "gthread", "--threads", "4"},
		"event-loop": {"forks:asgi", "-k", "asgi"},
		"uvloop":     {"forks:asgi", "-k", "asgi", "--asgi-loop", "uvloop"},
		"asgi sync":  {"forks:asgi", "-k", "sync"},
		"wsgi loop":  {"forks:wsgi", "-k", "event-loop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "1"}, args[1:]...)...).ready()
			url := "http://" + s.addr()
			type answer struct {
				PID      int
				CPU      float64
				Exitcode *int
			}
			ask := func(path string) (got answer) {
				t.Helper()
				resp, body := fetch(t, "GET", url+path, nil)
				if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
				}
				return got
			}
			first := ask("/")
			paths := []string{"/terminated", "/terminated"}
			if strings.HasPrefix(args[0], "forks:asgi") {
				paths = append(paths, "/thread")
			}
			for _, path := range paths {
				if got := ask(path); got.Exitcode == nil || *got.Exitcode != -15 || got.PID != first.PID {
					t.Fatalf("%s: %+v, want exit code -15 of a child of %d", path, got, first.PID)
				}
			}
			before := ask("/")
			time.Sleep(300 * time.Millisecond) // a worker that spins uses them all
			after := ask("/")
			if after.PID != first.PID {
				t.Errorf("pid %d answers, it was %d", after.PID, first.PID)
			}
			if used := after.CPU - before.CPU; used > 0.15 {
				t.Errorf("the worker used %.2f s of CPU in 0.3 s", used)
			}
			own := 0 // a loop's own, by which it wakes itself
			if name == "asgi sync" {
				own = 2
			} else if name != "sync" && name != "threaded" {
				own = 4
			}
			childHasNothing(t, url, own)
			s.stop()
		})
	}
}

// childHasNothing has a child say which handlers and descriptors it has.
func childHasNothing(t *testing.T, url string, own int) {
	t.Helper()
	_, body := fetch(t, "GET", url+"/asked", nil)
	var got struct {
		Handlers    map[string]string
		Fds, Worker map[string]string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for name, handler := range got.Handlers {
		want := "SIG_DFL"
		switch name {
		case "SIGINT":
			want = "default_int_handler"
		case "SIGHUP":
			want = "<lambda>" // the app's own stays
		}
		if !strings.Contains(handler, want) {
			t.Errorf("%s is handled by %s in a child, want %s", name, handler, want)
		}
	}
	kept := 0
	for fd, what := range got.Fds {
		if fd != "0" && fd != "1" && fd != "2" && got.Worker[fd] == what && (strings.HasPrefix(what, "socket:") || strings.HasPrefix(what, "pipe:")) {
			kept++
			t.Logf("descriptor %s: %s", fd, what)
		}
	}
	if kept > own {
		t.Errorf("a child has %d sockets and pipes of its worker, %d of them its loop's", kept, own)
	}
}
