//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keeper is an app that leaves behind what its setting says: a thread, a
// connection to UPSTREAM, or the pid of the first worker that served.
const keeper = `
import os, socket
from concurrent.futures import ThreadPoolExecutor
LEAVES = os.environ["LEAVES"]
pool = upstream = first = None

def serve():
    global pool, upstream, first
    if LEAVES == "thread":
        if pool is None:
            pool = ThreadPoolExecutor(1, thread_name_prefix="poller")
        return pool.submit(os.getpid).result()
    if LEAVES == "socket" and upstream is None:
        host, port = os.environ["UPSTREAM"].split(":")
        upstream = socket.create_connection((host, int(port)))
    if LEAVES == "death":
        if first is None:
            first = os.getpid()
        elif first != os.getpid():
            os._exit(3)  # a copy of one that has served
    return os.getpid()

def wsgi(environ, start_response):
    body = b"%d" % serve()
    start_response("200 OK", [])
    return [body]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    body = b"%d" % serve()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
`

// reforked starts the keeper with two workers, of which one is to become the
// template after a few requests.
func reforked(t *testing.T, leaves, class, upstream string, args ...string) *server {
	t.Helper()
	needsLinux(t, forking)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keeper.py"), []byte(keeper), 0o600); err != nil {
		t.Fatal(err)
	}
	app := "keeper:wsgi"
	if class == "event-loop" {
		app = "keeper:asgi"
	}
	env := []string{"PYTHONDONTWRITEBYTECODE=1", "LEAVES=" + leaves, "UPSTREAM=" + upstream}
	return startWith(t, options{dir: dir, env: env}, append([]string{app, "-w", "2", "-k", class, "-b", "127.0.0.1:0",
		"--python", interpreter(t), "--preload", "--refork-after", "20"}, args...)...).ready()
}

// askUntil makes requests until a line is in the log, none of which may fail.
func askUntil(t *testing.T, s *server, line string) []string {
	t.Helper()
	return requestsUntil(t, s, line, func(status int) bool { return status == 200 })
}

// requestsUntil makes requests until a line is in the log, however many that
// takes: a worker may be slow to leave and to be replaced.
func requestsUntil(t *testing.T, s *server, line string, fine func(status int) bool) (found []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("there is a line %q", line), func() bool {
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
			if found = logged(s, line); found != nil {
				return true
			}
			if resp, body := fetch(t, "GET", "http://"+s.addr()+"/", nil); !fine(resp.StatusCode) {
				t.Fatalf("%s %s", resp.Status, body)
			}
		}
		return false
	})
	return found
}

// logged is the first line of the log that matches, or nil.
func logged(s *server, line string) []string {
	re := regexp.MustCompile(line)
	for _, l := range s.log.lines(0) {
		if m := re.FindStringSubmatch(l); m != nil {
			return m
		}
	}
	return nil
}

const promoted = `a worker that has served is the template now`

// A worker in which other threads live is not copied, and they are named (E5).
func TestWorkerWithThreadsIsNotCopied(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := reforked(t, "thread", class, "")
			askUntil(t, s, `refork_after does nothing until the next reload.*poller_0.*code=GON061`)
			for range 100 { // nobody hangs, and nobody else is promoted
				if resp, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); resp.StatusCode != 200 {
					t.Fatal(resp.Status)
				}
			}
			if logged(s, promoted) != nil {
				t.Error("a worker was promoted")
			}
			s.stop()
		})
	}
}

// A worker that has a socket open is not copied, and it is named, unless the
// operator allows it (E6).
func TestWorkerWithSocketsIsNotCopied(t *testing.T) {
	t.Parallel()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	go func() {
		for {
			c, err := upstream.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := reforked(t, "socket", class, upstream.Addr().String())
			line := askUntil(t, s, `refork_after does nothing until the next reload.*code=GON061`)[0]
			if !strings.Contains(line, "tcp to "+upstream.Addr().String()) {
				t.Errorf("the socket is not named: %s", line)
			}
			s.stop()
		})
		t.Run(class+", allowed", func(t *testing.T) {
			t.Parallel()
			s := reforked(t, "socket", class, upstream.Addr().String(), "--refork-open-sockets")
			askUntil(t, s, promoted)
			s.stop()
		})
	}
}

// A socket that the app opens while it is imported is one for all workers.
func TestTemplateNamesSockets(t *testing.T) {
	t.Parallel()
	s, v := forked(t, "wsgi", "-w", "1")
	s.ready()
	v.write("import socket\nkept = socket.socket()\nkept.bind(('127.0.0.1', 0))\n" + fmt.Sprintf(forkedApp, 2))
	s.signal(syscall.SIGHUP)
	s.expect(`the app opens sockets while it is imported.*tcp at 127\.0\.0\.1`)
	s.expect(`new generation serves`)
	s.stop()
}

// Any other end of a worker leaves no copy, and any worker may get there (E7).
func TestOnlyReforkAfterPromotes(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "ctl")
	s := told{reforked(t, "nothing", "sync", "", "--control-socket", socket), socket}
	mark := s.log.mark()
	for _, n := range []string{"1", "2"} {
		if code, out := s.run("restart", n); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	s.expectFrom(mark, `worker gone worker=1.*reason=restart`)
	s.expectFrom(mark, `worker gone worker=2.*reason=restart`)
	if logged(s.server, promoted) != nil {
		t.Error("a worker that was restarted became the template")
	}
	askUntil(t, s.server, promoted)
	s.stop()
}

// Copies that die young are not made again: a clean template takes over (E5).
func TestBadCopiesLeadBackToACleanTemplate(t *testing.T) {
	t.Parallel()
	s := reforked(t, "death", "sync", "")
	askUntil(t, s, promoted)
	mark := s.log.mark()
	// A GET that kills its worker may be answered 502.
	requestsUntil(t, s, `a copy of a worker that had served was lost.*code=GON062`, func(int) bool { return true })
	s.expectFrom(mark, `template ready`)
	eventually(t, "ten answers in a row", func() bool {
		for range 10 {
			if resp, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); resp.StatusCode != 200 {
				return false
			}
		}
		return true
	})
	s.stop()
}
