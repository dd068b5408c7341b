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
	"slices"
	"strings"
	"sync"
	"testing"
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
