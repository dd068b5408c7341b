//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// interpreter is the Python of the tests' virtual environment, which make test
// makes.
func interpreter(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../.venv/bin/python3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; make it with: make .venv", err)
	}
	return path
}

// python starts an app of the folder e2e/python.
func python(t testing.TB, app string, args ...string) *server {
	t.Helper()
	return pythonWith(t, nil, app, args...)
}

// pythonWith starts one with more variables in its environment.
func pythonWith(t testing.TB, env []string, app string, args ...string) *server {
	t.Helper()
	dir, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, options{env: append(env, "PYTHONDONTWRITEBYTECODE=1")},
		append([]string{app, "-b", "127.0.0.1:0", "--python", interpreter(t), "--chdir", dir}, args...)...)
}

// fetch makes a request and returns the status, the body and the answer.
func fetch(t testing.TB, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, "cut: " + string(text)
	}
	return resp, string(text)
}

// uploaded posts a file of n bytes as a form.
func uploaded(t testing.TB, url string, n int) map[string]any {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "big.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, body := fetch(t, "POST", url, &form, "Content-Type", w.FormDataContentType())
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return got
}

func TestFastAPI(t *testing.T) {
	t.Parallel()
	s := python(t, "fastapi_app:app", "-w", "2").ready()
	s.expect(`worker class: event-loop`)
	url := "http://" + s.addr()
	if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || !strings.Contains(body, `"thread":"MainThread"`) {
		t.Errorf("async endpoint: %d %s", resp.StatusCode, body)
	}
	if _, body := fetch(t, "GET", url+"/sync", nil); !strings.Contains(body, "AnyIO worker thread") {
		t.Errorf("sync endpoint: %s", body)
	}
	if _, body := fetch(t, "GET", url+"/stream?n=100", nil); strings.Count(body, "\n") != 100 {
		t.Errorf("stream: %q", body)
	}
	fetch(t, "GET", url+"/background", nil)
	s.expect(`background task ran`)
	if got := uploaded(t, url+"/upload", 50<<20); got["size"] != float64(50<<20) {
		t.Errorf("upload: %v", got)
	}
	resp, _ := fetch(t, "GET", url+"/fail", nil)
	if resp.StatusCode != 500 {
		t.Errorf("failing endpoint: %d", resp.StatusCode)
	}
	s.expect(`error in request ` + resp.Header.Get("X-Request-Id"))
	s.expect(`RuntimeError: this endpoint fails`)
	events(t, s)
	echoSocket(t, "ws://"+s.addr()+"/ws")
	s.stop()
	s.expect(`startup`)
	s.expect(`shutdown`)
}

// events reads a few events and leaves.
func events(t *testing.T, s *server) {
	t.Helper()
	k := dial(t, s.addr())
	k.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 20)
	if _, err := io.ReadFull(resp.Body, buf); err != nil || !strings.HasPrefix(string(buf), "data: 0\n\ndata: 1") {
		t.Errorf("events: %q, %v", buf, err)
	}
	k.conn.Close()
	s.expect(`events ended`)
}

func echoSocket(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for _, text := range []string{"hello", strings.Repeat("long ", 40000)} {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || string(p) != "echo "+text {
			t.Fatalf("%d bytes back, %v", len(p), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStarlette(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"event-loop", "sync", "threaded"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "starlette_app:app", "-k", class, "--threads", "2").ready()
			url := "http://" + s.addr()
			if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || body != "hello from /" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if _, body := fetch(t, "POST", url+"/echo", bytes.NewReader(make([]byte, 1<<20))); !strings.Contains(body, `"size":1048576,"client":"127.0.0.1"`) {
				t.Errorf("echo: %s", body)
			}
			if _, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "FileResponse") {
				t.Errorf("file: %q", body)
			}
			doubleSocket(t, "ws://"+s.addr())
			s.stop()
		})
	}
}

func doubleSocket(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url+"/ws", &websocket.DialOptions{Subprotocols: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageBinary, []byte("ab")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "abab" || c.Subprotocol() != "chat" {
		t.Fatalf("%q, %v, subprotocol %q", p, err, c.Subprotocol())
	}
	_, _, err = c.Read(ctx)
	if websocket.CloseStatus(err) != 4000 {
		t.Errorf("closed with %v, want 4000", err)
	}
	if _, resp, err := websocket.Dial(ctx, url+"/denied", nil); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("a denied socket was answered %v, %v", resp, err)
	}
}

func TestDjango(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"djangoproj.wsgi", "djangoproj.asgi:application"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app).ready()
			url := "http://" + s.addr()
			if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || body != "django says hello to 127.0.0.1" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if got := uploaded(t, url+"/upload", 5<<20); got["size"] != float64(5<<20) {
				t.Errorf("upload: %v", got)
			}
			if _, body := fetch(t, "GET", url+"/stream", nil); strings.Count(body, "\n") != 100 {
				t.Errorf("stream: %q", body)
			}
			if _, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "urlpatterns") {
				t.Errorf("file: %q", body)
			}
			if resp, _ := fetch(t, "GET", url+"/fail", nil); resp.StatusCode != 500 {
				t.Errorf("failing view: %d", resp.StatusCode)
			}
			s.stop()
		})
	}
}

func TestFlask(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"flask_app:app", "flask_app:create_app()", "flask_app:create_named(name='y')"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "--threads", "2").ready()
			url := "http://" + s.addr()
			if _, body := fetch(t, "GET", url+"/", nil); !strings.Contains(body, `"multithread":true`) || !strings.Contains(body, `"remote":"127.0.0.1"`) {
				t.Errorf("%s", body)
			}
			if got := uploaded(t, url+"/upload", 5<<20); got["size"] != float64(5<<20) {
				t.Errorf("upload: %v", got)
			}
			if _, body := fetch(t, "GET", url+"/stream", nil); strings.Count(body, "\n") != 100 {
				t.Errorf("stream: %q", body)
			}
			s.stop()
		})
	}
	s := python(t, "flask_app:create_app", "--factory").ready()
	s.stop()
}

func TestWSGI(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "plain:app", "-k", class, "--threads", "2").ready()
			url := "http://" + s.addr()
			for path, want := range map[string]string{
				"/write": "written and returned", "/replaced": "replaced", "/closing": "to be closed",
			} {
				if _, body := fetch(t, "GET", url+path, nil); body != want {
					t.Errorf("%s: %q, want %q", path, body, want)
				}
			}
			s.expect(`closed`)
			if resp, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "file_wrapper") || resp.ContentLength < 1000 {
				t.Errorf("file: %d bytes, length %d", len(body), resp.ContentLength)
			}
			for _, n := range []int{0, 10, 70000, 3 << 20} {
				want := strings.Repeat("x", n)
				if _, body := fetch(t, "POST", url+"/echo", strings.NewReader(want)); body != want {
					t.Errorf("echo of %d bytes: %d came back", n, len(body))
				}
				if _, body := fetch(t, "POST", url+"/echo", io.MultiReader(strings.NewReader(want))); body != want { // chunked
					t.Errorf("chunked echo of %d bytes: %d came back", n, len(body))
				}
			}
			environ(t, url)
			faults(t, s, url)
			s.stop()
		})
	}
}

// environ checks what PEP 3333 asks for.
func environ(t *testing.T, url string) {
	t.Helper()
	_, body := fetch(t, "GET", url+"/environ?a=b%20c", nil, "X-Own", "v", "Content-Type", "text/x")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	for key, want := range map[string]any{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ", "QUERY_STRING": "a=b%20c", "SERVER_PROTOCOL": "HTTP/1.1",
		"REMOTE_ADDR": "127.0.0.1", "HTTP_X_OWN": "v", "CONTENT_TYPE": "text/x", "wsgi.url_scheme": "http",
		"wsgi.input_terminated": true, "wsgi.run_once": false, "wsgi.file_wrapper": "type",
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"SERVER_NAME", "SERVER_PORT", "REMOTE_PORT", "wsgi.version", "wsgi.errors", "wsgi.input", "HTTP_X_REQUEST_ID", "gonicorn.request_id"} {
		if _, ok := got[key]; !ok {
			t.Errorf("there is no %s", key)
		}
	}
}

// faults has the app misbehave: 500 or a cut answer, a line in the log, and the
// worker lives.
func faults(t *testing.T, s *server, url string) {
	t.Helper()
	pids := len(s.pids())
	for path, want := range map[string]string{
		"/none": `the app returned None`, "/bad-header": `line break in a header field`, "/bad-status": `status`,
		"/long": `Content-Length`, "/text": `body of str`, "/no-start": `body before start_response`, "/fail": `RuntimeError: this app fails`,
	} {
		mark := s.log.mark()
		if resp, body := fetch(t, "GET", url+path, nil); resp.StatusCode != 500 && !strings.HasPrefix(body, "cut: ") {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
		s.expectFrom(mark, want)
	}
	for _, path := range []string{"/short", "/late"} {
		if resp, body := fetch(t, "GET", url+path, nil); !strings.HasPrefix(body, "cut: ") && resp.StatusCode < 500 {
			t.Errorf("%s: %q, want a cut answer", path, body)
		}
	}
	if n := len(s.pids()); n != pids {
		t.Errorf("%d workers are left of %d", n, pids)
	}
	if resp, _ := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestWSGIIsValid(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:validated").ready()
	for _, method := range []string{"GET", "HEAD", "POST"} {
		if resp, body := fetch(t, method, "http://"+s.addr()+"/a%2Fb?c", strings.NewReader("")); resp.StatusCode != 200 {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
	}
	s.stop()
	for _, line := range s.log.lines(0) {
		if strings.Contains(line, "AssertionError") {
			t.Error(line)
		}
	}
}

func TestASGIFaults(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"event-loop", "threaded"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "plain:asgi", "-k", class).ready()
			url := "http://" + s.addr()
			for path, want := range map[string]string{
				"/none": `without a response`, "/no-body": `before the end of its response`, "/no-start": `before http.response.start`,
				"/twice": `start twice`, "/text": `body of str`, "/unknown": `unknown message`, "/bad-header": `line break in a header field`,
				"/bad-status": `status that is none`, "/long": `Content-Length`, "/fail": `RuntimeError: this app fails`,
			} {
				mark := s.log.mark()
				if resp, body := fetch(t, "GET", url+path, nil); resp.StatusCode != 500 && !strings.HasPrefix(body, "cut: ") {
					t.Errorf("%s: %d %q", path, resp.StatusCode, body)
				}
				s.expectFrom(mark, want)
			}
			if resp, _ := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 {
				t.Errorf("afterwards: %d", resp.StatusCode)
			}
			s.stop()
		})
	}
}

func TestOldASGIStillRuns(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:OldStyle").ready()
	if resp, body := fetch(t, "GET", "http://"+s.addr()+"/", nil); resp.StatusCode != 200 || !strings.HasPrefix(body, "pid ") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	s.stop()
}

func TestPythonAppHearsThatTheClientIsGone(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:asgi").ready()
	k := dial(t, s.addr())
	k.send("GET /disconnect HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.expect(`waiting for the client to go`)
	k.conn.Close()
	s.expect(`got http.disconnect`)
	s.stop()

	s = python(t, "plain:app").ready()
	k = dial(t, s.addr())
	k.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := k.in.Peek(100000 % 4096); err != nil {
		t.Fatal(err)
	}
	k.conn.Close()
	s.expect(`endless ended`)
	s.stop()
}

// What the log must say of a worker that hangs.
func TestHangsAreDiagnosed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ app, path, want string }{
		{"plain:app", "/sleep?30", `in sleep`},
		{"plain:app", "/spin", `in spin`},
		{"plain:app", "/deadlock", `in deadlock`},
		{"plain:app", "/native", `in native`},
		{"fastapi_app:app", "/stall?s=30", `in stall`},
		{"fastapi_app:app", "/spin", `in spin`},
	} {
		t.Run(c.app+c.path, func(t *testing.T) {
			t.Parallel()
			s := python(t, c.app, "-w", "2", "--timeout", "2").ready()
			resp := make(chan int, 1)
			go func() {
				r, _ := fetch(t, "GET", "http://"+s.addr()+c.path, nil)
				resp <- r.StatusCode
			}()
			old := s.expect(`worker hangs.* pid=(\d+)`)[1]
			s.expect(regexp.QuoteMeta(c.want))
			for range 10 {
				if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
					t.Errorf("meanwhile: %d", r.StatusCode)
				}
			}
			s.expect(`worker gone .*pid=` + old)
			if status := <-resp; status != 504 && status != 502 {
				t.Errorf("the request that hung got %d", status)
			}
			s.stop()
			if n := strings.Count(s.log.text(), "worker hangs"); n != 1 {
				t.Errorf("%d workers hung on one request", n)
			}
		})
	}
}

func TestStalledLoopGetsNothing(t *testing.T) {
	t.Parallel()
	s := python(t, "fastapi_app:app", "-w", "3", "--stall-warning", "300ms").ready()
	k := dial(t, s.addr())
	k.send("GET /spin HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.expect(`event loop is blocked`)
	for i := range 100 {
		began := time.Now()
		if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
			t.Fatalf("request %d: %d", i, r.StatusCode)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("request %d took %s", i, took)
		}
	}
	s.signal(syscall.SIGQUIT)
	s.wait()
}

// Three workers of four threads hold twelve requests at once.
func TestTwelveAtOnce(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "-w", "3", "--threads", "4").ready()
	for pid := range s.pids() {
		eventually(t, "a worker has its threads, and the one that watches", func() bool {
			tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
			return len(tasks) == 5
		})
	}
	// On a busy machine the first may have ended before the last has begun.
	eventually(t, "twelve requests at once", func() bool {
		w := startWatch()
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for range 12 {
			wg.Go(func() {
				_, body := fetch(t, "GET", "http://"+s.addr()+"/sleep?1", nil)
				mu.Lock()
				seen[body]++
				mu.Unlock()
			})
		}
		wg.Wait()
		took := w.took()
		t.Logf("twelve requests of a second took %s, answers by worker: %v", took, seen)
		return took < 1900*time.Millisecond && len(seen) == 3
	})
	s.stop()
}

func TestPythonWorkersAreReplacedByAgeWithoutLoss(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"plain:app", "plain:asgi"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "-w", "2", "--max-requests", "50").ready()
			l := startLoad(t, s.addr(), 4)
			s.expect(`worker is told to finish.*max_requests`)
			s.expect(`worker gone.*max_requests`)
			l.stop()
			if l.failed.Load() > 0 {
				t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.done.Load(), l.first.Load())
			}
			s.stop()
		})
	}
}

func TestPythonReloadsWithoutLossAndKilledWorkersToo(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"plain:app", "plain:asgi"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "-w", "2").ready()
			l := startLoad(t, s.addr(), 4)
			for range 3 {
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `new generation serves`)
			}
			for range 3 {
				mark := s.log.mark()
				_ = syscall.Kill(newestOf(t, s), syscall.SIGKILL)
				s.expectFrom(mark, `worker ready`)
			}
			mark := s.log.mark()
			l.stop()
			if l.failed.Load() > 0 {
				t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.done.Load(), l.first.Load())
			}
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			s.expectFrom(mark, `gateway ready`)
			if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
				t.Errorf("after the gateway's death: %d", r.StatusCode)
			}
			s.stop()
		})
	}
}

// Mistakes in naming an app: one error, exit code 4, and what to type.
// The words of the mistakes are tested in workers/python/tests.
func TestPythonMistakes(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{
		"app.py":     "def app(e, s): pass\n",
		"failing.py": "raise RuntimeError('the database is down')\n",
		"leaving.py": "import sys; sys.exit(5)\n",
	})
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"appp:app"}, 4, `did you mean app:app`},
		{[]string{"appp:app", "-k", "sync"}, 4, `did you mean app:app`},
		{[]string{"failing:app"}, 3, `the database is down`},
		{[]string{"failing:app", "-k", "sync"}, 3, `the database is down`},
		{[]string{"leaving:app"}, 4, `ends the process while it is imported`},
		{[]string{"leaving:app", "-k", "sync"}, 4, `ends the process while it is imported`},
		{[]string{"app:app", "--python", "/nowhere/python3"}, 4, `/nowhere/python3`},
		{[]string{"app:app", "--transport", "inherit"}, 4, `is for commands`},
		{[]string{"app:app", "more:app"}, 4, `there are two apps`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-b", "127.0.0.1:0"}, c.args...)
			if !slices.Contains(args, "--python") {
				args = append(args, "--python", interpreter(t))
			}
			s := startWith(t, options{dir: dir}, args...)
			if code := s.wait(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			s.expect(c.want)
		})
	}
}

func TestFailedStartupIsABootFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
`
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "main:app", "-b", "127.0.0.1:0", "--python", interpreter(t))
	if code := s.wait(); code != 3 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	s.expect(`the app's startup failed: no database`)
}

// newestOf is the worker that was ready last.
func newestOf(t *testing.T, s *server) int {
	t.Helper()
	all := regexp.MustCompile(`worker ready .*pid=(\d+)`).FindAllStringSubmatch(s.log.text(), -1)
	if len(all) == 0 {
		t.Fatal("no worker has been ready")
	}
	pid, _ := strconv.Atoi(all[len(all)-1][1])
	return pid
}

func TestModuleStateIsPerProcess(t *testing.T) {
	t.Parallel()
	s := python(t, "fastapi_app:app", "-w", "2").ready()
	counts := map[float64]float64{}
	// A worker that the machine gives no time is passed over, and one that is free
	// again is taken again: both have served when they have, not after so many
	// requests.
	asked := 0.0
	eventually(t, "both workers have served", func() bool {
		var both sync.WaitGroup
		bodies := make([]string, 8)
		for i := range bodies {
			both.Go(func() { _, bodies[i] = fetch(t, "GET", "http://"+s.addr()+"/", nil) })
		}
		both.Wait()
		for _, body := range bodies {
			asked++
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			counts[got["pid"].(float64)] = max(counts[got["pid"].(float64)], got["count"].(float64))
		}
		return len(counts) == 2 && asked >= 20
	})
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	if len(counts) != 2 || sum != asked {
		t.Errorf("counts by process after %v requests: %v", asked, counts)
	}
	s.stop()
}

func TestPythonReloadShowsChangedCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code := func(v int) string {
		return "def app(e, s):\n    s('200 OK', [])\n    return [b'version " + strconv.Itoa(v) + "']\n"
	}
	write(code(1))
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "main:app", "-b", "127.0.0.1:0", "--reload", "--python", interpreter(t)).ready()
	answers := func(want string) func() bool {
		return func() bool { _, body := fetch(t, "GET", "http://"+s.addr()+"/", nil); return body == want }
	}
	eventually(t, "version 1", answers("version 1"))
	mark := s.log.mark()
	write("def app(e, s:\n")
	s.expectFrom(mark, `syntax error in main.py:1`)
	write(code(2))
	eventually(t, "version 2", answers("version 2"))
	s.stop()
}

func TestPythonReloadWatchesImportedModules(t *testing.T) {
	t.Parallel()
	dir, lib := t.TempDir(), t.TempDir()
	app := "import outside\ndef app(e, s):\n    s('200 OK', [])\n    return [outside.TEXT]\n"
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(lib, "outside.py"), []byte("TEXT = b'"+text+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "main:app", "-b", "127.0.0.1:0", "--reload",
		"--pythonpath", lib, "--python", interpreter(t)).ready()
	write("second")
	eventually(t, "the changed module serves", func() bool {
		_, body := fetch(t, "GET", "http://"+s.addr()+"/", nil)
		return body == "second"
	})
	s.stop()
}

// A body that is not buffered comes to the app as the client sends it, whole.
func TestUnbufferedBodies(t *testing.T) {
	t.Parallel()
	const app = `
import hashlib

def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %s" % (len(body), hashlib.sha256(body).hexdigest())).encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ("%d %s" % (len(body), hashlib.sha256(body).hexdigest())).encode()})
`
	body := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	want := fmt.Sprintf("%d %x", len(body), sha256.Sum256(body))
	for _, args := range [][]string{{"wsgi", "sync"}, {"wsgi", "threaded"}, {"wsgi", "event-loop"}, {"asgi", "event-loop"}, {"asgi", "threaded"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "bodies_app.py"), []byte(app), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startWith(t, options{dir: dir}, "bodies_app:"+args[0], "-k", args[1], "--no-request-buffering", "-b", "127.0.0.1:0",
				"--python", interpreter(t)).ready()
			for name, reader := range map[string]io.Reader{"sized": bytes.NewReader(body), "chunked": io.MultiReader(bytes.NewReader(body))} {
				if resp, got := fetch(t, "POST", "http://"+s.addr()+"/", reader); resp.StatusCode != 200 || got != want {
					t.Errorf("%s: status %d, %q", name, resp.StatusCode, got)
				}
			}
			s.stop()
		})
	}
}
