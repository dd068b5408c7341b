//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// classes are the ways to run an app of the file answers.py.
func answerClasses() map[string][]string {
	return map[string][]string{
		"sync":         {"answers:wsgi", "-k", "sync"},
		"threaded":     {"answers:wsgi", "-k", "gthread", "--threads", "4"},
		"wsgi loop":    {"answers:wsgi", "-k", "event-loop"},
		"event-loop":   {"answers:asgi", "-k", "asgi"},
		"asgi sync":    {"answers:asgi", "-k", "sync"},
		"asgi gthread": {"answers:asgi", "-k", "gthread", "--threads", "4"},
	}
}

// Headers may come as an iterator that can be read once, however long the body
// is and whoever else looks at them.
func TestHeadersReadOnce(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "gunicorn.conf.py")
	hook := "def post_request(worker, req, environ, resp):\n    print('sent', sorted(h[0].lower() for h in resp.headers))\n"
	if err := os.WriteFile(conf, []byte(hook), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range answerClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, more := range [][]string{nil, {"-c", conf}} {
				s := python(t, args[0], append(append([]string{"-w", "1"}, args[1:]...), more...)...).ready()
				for _, size := range []string{"1", "70000", "300000"} {
					resp, body := fetch(t, "GET", "http://"+s.addr()+"/generator?"+size, nil)
					if resp.StatusCode != 200 || resp.Header.Get("X-One") != "1" || resp.Header.Get("X-Two") != "2" || strings.Trim(body, "x") != "" {
						t.Errorf("%s bytes %v: %d %v, %.40q", size, more, resp.StatusCode, resp.Header, body)
					}
				}
				if more != nil {
					s.expect(`sent \[.*'x-one', 'x-two'`)
				}
				s.stop()
			}
		})
	}
}

// What Gunicorn lets a WSGI app answer: any three digits, headers of any kind,
// and through file_wrapper what read() returns.
func TestUnusualWSGIAnswers(t *testing.T) {
	t.Parallel()
	for name, args := range answerClasses() {
		if !strings.HasSuffix(args[0], ":wsgi") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "1"}, args[1:]...)...).ready()
			url := "http://" + s.addr()
			if resp, body := fetch(t, "GET", url+"/items", nil); resp.StatusCode != 999 || resp.Header.Get("X-Two") != "2" || body != "strange" {
				t.Errorf("999: %d %v %q", resp.StatusCode, resp.Header, body)
			}
			text := strings.Repeat("what the file holds, once it is unpacked\n", 1000)
			for _, path := range []string{"/gzip", "/temporary"} {
				if _, body := fetch(t, "GET", url+path, nil); body != text {
					t.Errorf("%s: %d bytes that begin %.20q, want %d", path, len(body), body, len(text))
				}
			}
			for _, path := range []string{"/shifted", "/buffered"} {
				if _, body := fetch(t, "GET", url+path, nil); strings.ContainsAny(body, "abcdefghijklmnopqrstuvwxyz") {
					t.Errorf("%s: the file instead of what read() returns", path)
				}
			}
			s.stop()
		})
	}
}

// An exit, or another BaseException, ends its request with 500 and nothing
// else: neither the worker nor one of its threads.
func TestExitInAView(t *testing.T) {
	t.Parallel()
	for name, args := range answerClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "1"}, args[1:]...)...).ready()
			url := "http://" + s.addr()
			_, before := fetch(t, "GET", url+"/", nil)
			for range 5 { // more than there are threads
				for _, path := range []string{"/exit", "/base"} {
					if resp, body := fetch(t, "GET", url+path, nil); resp.StatusCode != 500 {
						t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
					}
				}
			}
			s.expect(`error in request [^:]+: GET /exit`)
			s.expect(`SystemExit: 3`)
			s.expect(`BaseException: neither an exit nor an Exception`)
			if _, after := fetch(t, "GET", url+"/", nil); after != before {
				t.Errorf("%q answers, it was %q", after, before)
			}
			if strings.Contains(strings.Join(args, " "), "--threads") {
				var wg sync.WaitGroup
				w := startWatch()
				for range 4 {
					wg.Go(func() { fetch(t, "GET", url+"/slow", nil) })
				}
				wg.Wait()
				w.expectAtMost(t, 1500*time.Millisecond, "with 4 threads, 4 requests of 0.5 s")
			}
			s.stop()
		})
	}
}
