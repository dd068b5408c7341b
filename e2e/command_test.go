//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nodeServer = `
const http = require('http');
const s = http.createServer((q, r) => r.end('node pid ' + process.pid + ' worker ' + process.env.GONICORN_WORKER_ID));
s.listen({fd: 3});
process.on('SIGTERM', () => s.close(() => process.exit(0)));
`

const pythonServer = `
import http.server, os, signal, socket, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ('python pid %d' % os.getpid()).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(('', 0), H, bind_and_activate=False)
        self.socket = socket.socket(fileno=3)
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
S().serve_forever()
`

// Programs that know socket activation work unchanged.
func TestInheritedSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node, python := filepath.Join(dir, "server.js"), filepath.Join(dir, "server.py")
	for path, text := range map[string]string{node: nodeServer, python: pythonServer} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"node":   {[]string{"--", "node", node}, "node pid"},
		"python": {[]string{"--", "python3", python}, "python pid"},
		"go":     {as("activated"), "go pid"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "node" {
				if _, err := exec.LookPath("node"); err != nil {
					t.Skip("there is no node: apt-get install nodejs")
				}
			}
			s := start(t, append([]string{"-w", "2", "--transport", "inherit", "-b", "127.0.0.1:0"}, c.args...)...).ready()
			addr := s.addr()
			for range 5 {
				if status, body := get(t, addr, "/"); status != 200 || !strings.Contains(body, c.want) {
					t.Fatalf("got %d %q, want 200 %q", status, body, c.want)
				}
			}
			s.stop()
		})
	}
}

func TestTransportNoneSupervisesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, as("consumer", "-w", "3", "--transport", "none")...).ready()
	if n := len(s.pids()); n != 3 {
		t.Fatalf("%d consumers run, want 3", n)
	}
	s.stop()
	if n := strings.Count(s.log.text(), "consumer finished its job"); n != 3 {
		t.Errorf("%d consumers finished their job, want 3", n)
	}
}

func TestWorkersEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, as("env", "-w", "1", "--transport", "inherit", "-b", "127.0.0.1:0", "-b", "unix:"+filepath.Join(dir, "s"),
		"-e", "EXTRA=a b", "--timeout", "20", "--umask", "027", "--chdir", dir)...).ready()
	port := strings.Split(s.addr(), ":")[1]
	for _, want := range []string{
		`GONICORN_WORKER_ID=1 worker=1`, `GONICORN_GENERATION=1 worker=1`, `PORT=` + port + ` worker=1`, `LISTEN_FDS=2 worker=1`,
		`NOTIFY_SOCKET=[@/]\S+ worker=1`, `WATCHDOG_USEC=20000000 worker=1`, `GONICORN_ROLE= worker=1`, `EXTRA=a b worker=1`, `mine=true worker=1`,
		`fds=0:/dev/null,1:pipe,2:pipe,3:socket,4:socket`, `umask=027 dir=` + regexp.QuoteMeta(dir) + ` worker=1`,
	} {
		s.expect(`env .*` + want)
	}
	s.stop()
}

func TestReadyWhenTheAppSaysSo(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	s := start(t, as("notifier", "--notify", "--transport", "none", "--boot-grace", "10ms", "-e", "E2E_GATE="+gate)...)
	s.expect("waiting at the gate")
	if strings.Contains(s.log.text(), "worker ready") {
		t.Fatal("ready before it said so")
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.expect("worker ready worker=1")
	s.ready().stop()
}

func TestReadyByAge(t *testing.T) {
	t.Parallel()
	s := start(t, as("consumer", "--transport", "none", "--boot-grace", "300ms")...)
	m := s.expect(`worker ready .*after=(\S+)`)
	after, err := time.ParseDuration(m[1])
	if err != nil || after < 300*time.Millisecond {
		t.Fatalf("ready after %s (%v), want not before boot_grace", m[1], err)
	}
	s.ready().stop()
}

func TestSilentWatchdogIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, as("watchdog", "--notify", "--transport", "none", "--timeout", "800ms")...).ready()
	s.expect("falling silent")
	s.expect(`worker hangs.*WATCHDOG=1`)
	s.expect(`worker started worker=1 .*`)
	s.expectFrom(len(s.log.lines(0))-1, `.`)
	s.signal(syscall.SIGKILL)
}

func TestOutputIsTaggedLineByLine(t *testing.T) {
	t.Parallel()
	s := start(t, as("talker", "--transport", "none")...).ready()
	s.expect(`\[INFO\] first worker=1 pid=\d+$`)
	s.expect(`^\{"json":"line"\}$`) // the app's own record, which passes as it is
	s.expect(`x{1000,} worker=1 pid=\d+$`)
	for _, line := range s.log.lines(0) {
		if strings.ContainsAny(line, "\x1b\r") || strings.Contains(line, "\xff") {
			t.Errorf("control characters of a worker reach the log: %q", line)
		}
	}
	s.stop()
}

func TestCaptureOutputOffLetsItThrough(t *testing.T) {
	t.Parallel()
	s := start(t, as("consumer", "--transport", "none", "--capture-output=false")...)
	s.expect(`^consuming$`)
	s.ready().stop()
}

func TestJSONLog(t *testing.T) {
	t.Parallel()
	s := start(t, as("consumer", "--transport", "none", "--log-format", "json")...)
	s.expect(`^\{.*"msg":"consuming".*"worker":1.*\}$`)
	s.signal(syscall.SIGTERM)
	s.wait()
}

func TestPythonLikeUvicornFD(t *testing.T) {
	t.Parallel()
	// uvicorn --fd 3 is asyncio's server on an inherited socket.
	script := filepath.Join(t.TempDir(), "fd3.py")
	text := `
import asyncio, os, signal, socket
async def answer(r, w):
    await r.readuntil(b'\r\n\r\n')
    body = b'asyncio pid %d' % os.getpid()
    w.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    await w.drain(); w.close()
async def main():
    server = await asyncio.start_server(answer, sock=socket.socket(fileno=3))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
asyncio.run(main())
`
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, "-w", "2", "--transport", "inherit", "-b", "127.0.0.1:0", "--", "python3", script).ready()
	if _, body := get(t, s.addr(), "/"); !strings.HasPrefix(body, "asyncio pid") {
		t.Fatalf("got %q", body)
	}
	s.stop()
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sock")
	for range 2 { // the second start finds no file, or replaces what the first left
		s := start(t, as("activated", "-b", "unix:"+path, "--transport", "inherit", "--umask", "077")...).ready()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("mode of the socket is %o, want 700 by umask 077", info.Mode().Perm())
		}
		if _, body := get(t, path, "/"); !strings.HasPrefix(body, "go pid") {
			t.Fatalf("got %q", body)
		}
		other := start(t, as("activated", "-b", "unix:"+path, "--transport", "inherit")...)
		if code := other.wait(); code != 1 {
			t.Fatalf("a second gonicorn on a live socket ended with %d, want 1", code)
		}
		if err := s.cmd.Process.Kill(); err != nil { // leaves a stale socket behind
			t.Fatal(err)
		}
		s.wait()
		eventually(t, "the workers of a killed arbiter are gone", func() bool {
			_, _, err := tryGet(t.Context(), path, "/")
			return err != nil
		})
	}
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log, pid := filepath.Join(dir, "error.log"), filepath.Join(dir, "g.pid")
	s := start(t, as("env", "-b", "127.0.0.1:0", "--transport", "inherit", "--user", "nobody", "--group", "nogroup",
		"--error-logfile", log, "--pid", pid)...)
	eventually(t, "the worker runs as nobody", func() bool {
		text, _ := os.ReadFile(log)
		return regexp.MustCompile(`env uid=65534 gid=65534`).Match(text)
	})
	for _, path := range []string{log, pid} { // S5: what root goes by stays root's
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil || st.Uid != 0 {
			t.Errorf("%s belongs to %d (%v), want root", path, st.Uid, err)
		}
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if _, err := os.Stat(pid); !os.IsNotExist(err) {
		t.Errorf("the pidfile is left behind: %v", err)
	}
}
