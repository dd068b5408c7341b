//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// web starts the web app behind the gateway.
func web(t *testing.T, o options, args ...string) *server {
	t.Helper()
	return startWith(t, o, append([]string{"-b", "127.0.0.1:0"}, as("web", args...)...)...)
}

// keepAlive is one connection that a client keeps.
type keepAlive struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *keepAlive {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return &keepAlive{t, conn, bufio.NewReader(conn)}
}

// send writes raw bytes.
func (k *keepAlive) send(text string) *keepAlive {
	k.t.Helper()
	if _, err := io.WriteString(k.conn, text); err != nil {
		k.t.Fatal(err)
	}
	return k
}

// answer reads one response to a request of this method.
func (k *keepAlive) answer(method string) (*http.Response, string) {
	k.t.Helper()
	resp, err := http.ReadResponse(k.in, &http.Request{Method: method})
	if err != nil {
		k.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatalf("read body: %v", err)
	}
	return resp, string(body)
}

func (k *keepAlive) get(path string) (*http.Response, string) {
	k.t.Helper()
	return k.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n").answer("GET")
}

// gatewayPID is the pid of the gateway that was started last.
func gatewayPID(s *server) int {
	s.t.Helper()
	pid := 0
	re := regexp.MustCompile(`gateway started .*?pid=(\d+)`)
	for _, line := range s.log.lines(0) {
		if m := re.FindStringSubmatch(line); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
	}
	return pid
}

func TestCommandListensWhereItLikes(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"port", "socket", "ipv6"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			s := web(t, options{env: []string{"E2E_LISTEN=" + where, "TMPDIR=" + tmp}}, "-w", "2").ready()
			if status, body := get(t, s.addr(), "/"); status != 200 || s.pids()[pidIn(t, body)] == 0 {
				t.Fatalf("%d %q from none of %v", status, body, s.pids())
			}
			if sockets, _ := filepath.Glob(filepath.Join(tmp, "gonicorn-*", "*")); where == "socket" && len(sockets) < 2 {
				t.Errorf("two workers listen at sockets, and the folder has %v", sockets)
			}
			s.stop()
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestNodeRunsAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := `require('http').createServer((q, s) => s.end('node ' + process.pid)).listen(process.env.PORT)`
	if err := os.WriteFile(filepath.Join(dir, "server.js"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "-b", "127.0.0.1:0", "-w", "2", "--", "node", "server.js").ready()
	if _, body := get(t, s.addr(), "/"); !strings.HasPrefix(body, "node ") {
		t.Fatalf("answer %q", body)
	}
	s.expect(`WARN.*listens on all interfaces.*127\.0\.0\.1`)
	s.stop()
}

func TestAppThatListensNowhereIsExplained(t *testing.T) {
	t.Parallel()
	s := web(t, options{env: []string{"E2E_LISTEN=nowhere"}}, "--boot-timeout", "1s")
	if code := s.wait(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	for _, want := range []string{`PORT=\d+`, `GONICORN_SOCKET=/`, `--transport inherit`, `--transport none`, `this app listens nowhere`} {
		s.expect(want)
	}
}

func TestReadyWaitsForTheHealthPath(t *testing.T) {
	t.Parallel()
	healthy := filepath.Join(t.TempDir(), "healthy")
	s := web(t, options{env: []string{"E2E_HEALTHY=" + healthy}}, "-w", "1", "--health-path", "/health")
	for range 3 { // it listens, and is asked again
		s.expectFrom(s.log.mark(), `not healthy yet`)
	}
	if logged(s, "worker ready") != nil {
		t.Error("a worker is ready that answers 503 at the health path")
	}
	if err := os.WriteFile(healthy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.ready().stop()
}

func TestRequestsWaitForTheFirstWorker(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	s := web(t, options{env: []string{"E2E_GATE=" + gate}})
	s.expect(`gateway ready`)
	k := dial(t, s.addr())
	k.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if resp, body := k.answer("GET"); resp.StatusCode != 200 {
		t.Fatalf("%d %q", resp.StatusCode, body)
	}
	s.stop()
}

func TestFullQueueIsSaid(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-k", "sync", "--queue-size", "1", "--queue-timeout", "20").ready()
	first := dial(t, s.addr())
	first.send("GET /slow?ms=3000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.expect(`slow began`)
	// Which of several connections is read first is the kernel's choice: one
	// waits, the others are told at once.
	answers := make(chan *http.Response)
	for range 4 {
		go func() {
			resp, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil)
			answers <- resp
		}()
	}
	for range 3 {
		if resp := <-answers; resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("with a full queue: %d %v", resp.StatusCode, resp.Header)
		}
	}
	if resp := <-answers; resp.StatusCode != 200 {
		t.Errorf("the request that waited got %d", resp.StatusCode)
	}
	s.stop()
}

func TestIdleConnectionsTakeNoCapacity(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1", "--keep-alive", "30").ready()
	for range 50 {
		dial(t, s.addr()).get("/")
	}
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("beside 50 idle connections: %d", status)
	}
	s.stop()
}

// seen is what the app says that it was sent.
type seen struct {
	Host, Method, URI string
	Header            http.Header
}

func TestForwardingIsBelievedOnlyOfProxies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, allow, wantFor, wantProto string
	}{
		{"a proxy", "127.0.0.1", "192.0.2.7, 127.0.0.1", "https"},
		{"a stranger", "192.0.2.99", "127.0.0.1", "http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{}, "--forwarded-allow-ips", c.allow).ready()
			k := dial(t, s.addr())
			k.send("GET /headers HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n" +
				"X_Forwarded_For: 1.2.3.4\r\nX-Request-ID: abc-123\r\nX-Forwarded-Prefix: /evil\r\nTrue-Client-IP: 1.2.3.4\r\n\r\n")
			resp, body := k.answer("GET")
			var got seen
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v in %q", err, body)
			}
			if f := got.Header.Get("X-Forwarded-For"); f != c.wantFor {
				t.Errorf("X-Forwarded-For %q, want %q", f, c.wantFor)
			}
			if p := got.Header.Get("X-Forwarded-Proto"); p != c.wantProto {
				t.Errorf("X-Forwarded-Proto %q, want %q", p, c.wantProto)
			}
			if id := got.Header.Get("X-Request-Id"); id == "" || resp.Header.Get("X-Request-Id") != id {
				t.Errorf("request id %q for the app, %q for the client", id, resp.Header.Get("X-Request-Id"))
			}
			for _, claim := range []string{"X-Forwarded-Prefix", "True-Client-Ip"} {
				if reached := got.Header.Get(claim) != ""; reached != (c.wantProto == "https") {
					t.Errorf("%s reaches the app: %t", claim, reached)
				}
			}
			if id := got.Header.Get("X-Request-Id"); (id == "abc-123") != (c.wantProto == "https") {
				t.Errorf("request id %q", id)
			}
			if got.Host != "example.org" || got.Header.Get("Forwarded") == "" {
				t.Errorf("host %q, Forwarded %q", got.Host, got.Header.Get("Forwarded"))
			}
			s.stop()
		})
	}
}

func TestErrorPagesSuitTheClient(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "--max-body", "10").ready()
	for accept, want := range map[string]string{"application/json": "application/json", "*/*": "text/plain"} {
		k := dial(t, s.addr())
		k.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nAccept: " + accept + "\r\nContent-Length: 11\r\n\r\nhello world")
		resp, body := k.answer("POST")
		if resp.StatusCode != 413 || !strings.HasPrefix(resp.Header.Get("Content-Type"), want) {
			t.Errorf("Accept %s: %d %s", accept, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		if id := resp.Header.Get("X-Request-Id"); id == "" || !strings.Contains(body, id) {
			t.Errorf("no request id in %q", body)
		}
	}
	s.stop()
}

func TestAccessLogIsReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	s := web(t, options{dir: dir}, "--access-logfile", file, "--access-logformat", `%(h)s "%(r)s" %(s)s %(B)s %({user-agent}i)s`).ready()
	line := func(agent string) string {
		k := dial(t, s.addr())
		k.send("GET /?" + agent + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + agent + "\r\n\r\n")
		_, body := k.answer("GET")
		return fmt.Sprintf("127.0.0.1 \"GET /?%s HTTP/1.1\" 200 %d %s\n", agent, len(body), agent)
	}
	has := func(want string) func() bool {
		return func() bool { text, _ := os.ReadFile(file); return string(text) == want }
	}
	first := line("first")
	eventually(t, "the first line "+first, has(first))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR1)
	eventually(t, "a new file", func() bool { _, err := os.Stat(file); return err == nil })
	second := line("second")
	eventually(t, "the second line alone", has(second))
	s.stop()
}

func TestAppNamesAFileToSend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte("the report"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := web(t, options{}, "--sendfile-root", dir).ready()
	if status, body := get(t, s.addr(), "/file?path="+filepath.Join(dir, "report.txt")); status != 200 || body != "the report" {
		t.Errorf("%d %q", status, body)
	}
	if status, body := get(t, s.addr(), "/file?path=/etc/passwd"); status == 200 {
		t.Errorf("a file outside the root was sent: %q", body)
	}
	s.stop()
}

func TestGatewayHoldsNothingItDoesNotNeed(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-u", "nobody", "-w", "1").ready()
	pid := gatewayPID(s)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Uid:\t65534\t65534`, `NoNewPrivs:\t1`, `CapEff:\t0000000000000000`} {
		if strings.HasPrefix(want, "NoNew") && platform.Portable {
			continue
		}
		if !regexp.MustCompile(want).Match(status) {
			t.Errorf("no %s in\n%s", want, status)
		}
	}
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("status %d", status)
	}
	s.stop()
}
