//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const crashingApp = `import ctypes, os, signal, sys, time
def crash(path, pid):
    with open("asked", "a") as f:
        f.write("%s %d\n" % (path, pid))
    if path == "/segv":
        ctypes.string_at(0)
    elif path == "/exit":
        os._exit(7)
    elif path in ("/kill", "/term"):
        n = sum(1 for line in open("asked") if line.startswith(path + " "))
        if n == 1:
            time.sleep(30)
    elif path.startswith("/SIG"):
        os.kill(pid, getattr(signal, path[1:]))
        time.sleep(30)
def wsgi(environ, start_response):
    crash(environ["PATH_INFO"], os.getpid())
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    crash(scope["path"], os.getpid())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
if __name__ == "__main__":
    import http.server
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            crash(self.path, os.getpid())
            self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`

// A GET whose worker ends by its own doing goes to no other one: it would end
// that too. One whose worker somebody else kills is answered by another.
func TestCrashesAreNotReplayed(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"sync": {"crashing:wsgi", "-k", "sync"}, "threaded": {"crashing:wsgi", "-k", "threaded", "--threads", "2"},
		"event-loop": {"crashing:asgi"}, "command": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "crashing.py"), []byte(crashingApp), 0o600); err != nil {
				t.Fatal(err)
			}
			own := []string{"-w", "2", "-b", "127.0.0.1:0", "--python", interpreter(t)}
			if len(args) == 0 {
				args = []string{"--", interpreter(t), "crashing.py"}
			}
			s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, append(own, args...)...).ready()
			asked := func(path string) (lines []string) {
				text, _ := os.ReadFile(filepath.Join(dir, "asked"))
				for line := range strings.Lines(string(text)) {
					if strings.HasPrefix(line, path+" ") {
						lines = append(lines, strings.TrimSpace(line))
					}
				}
				return lines
			}
			for path, says := range map[string]string{
				"/segv": "killed by SIGSEGV", "/exit": "exited with code 7", "/SIGABRT": "SIGABRT|code 134", "/SIGFPE": "SIGFPE",
			} {
				mark := s.log.mark()
				if status, _ := get(t, s.addr(), path); status != 502 {
					t.Errorf("%s is answered %d", path, status)
				}
				s.expectFrom(mark, `a worker ended by itself with a request in flight.* exit="[^"]*(`+says+`).* path=`+path+` `)
				if n := len(asked(path)); n != 1 {
					t.Errorf("%d workers were asked for %s", n, path)
				}
				s.expectFrom(mark, `worker ready`)
			}
			for path, sig := range map[string]syscall.Signal{"/kill": syscall.SIGKILL, "/term": syscall.SIGTERM} {
				if path == "/term" && name != "command" {
					continue // workers of Python finish what they have
				}
				answer := make(chan int, 1)
				go func() {
					status, _, _ := tryGet(t.Context(), s.addr(), path)
					answer <- status
				}()
				eventually(t, "a worker has it", func() bool { return len(asked(path)) == 1 })
				pid, err := strconv.Atoi(strings.Fields(asked(path)[0])[1])
				if err != nil {
					t.Fatal(err)
				}
				kill(t, pid, sig)
				if status := <-answer; status != 200 || len(asked(path)) != 2 {
					t.Errorf("%s is answered %d, by worker %d", path, status, len(asked(path)))
				}
			}
			s.stop()
		})
	}
}
