//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// bodiesApp answers with the length and digest of the request's body. At /die a worker
// first tries to change the body where others would read it, and dies the first time.
const bodiesApp = `
import hashlib, os, signal

def digest(body):
    return ("%d %s" % (len(body), hashlib.sha256(body).hexdigest())).encode()

def attack():
    for fd in os.listdir("/proc/self/fd"):
        try:
            if "gonicorn-body" not in os.readlink("/proc/self/fd/" + fd):
                continue
            for again in (int(fd), os.open("/proc/self/fd/" + fd, os.O_RDWR)):
                try:
                    os.pwrite(again, b"changed", 0)
                except OSError:
                    pass
        except OSError:
            pass
    try:
        os.close(os.open("died", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        attack()
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [digest(body)]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    if scope["path"] == "/die":
        attack()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": digest(body)})
`

// Bodies of every size reach the app as they were sent, although clients send them at
// the same time, and the memory that they go through is used again and given back.
func TestBodiesOfEverySize(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"wsgi", "sync"}, {"wsgi", "threaded"}, {"wsgi", "event-loop"}, {"asgi", "event-loop"}, {"asgi", "threaded"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			s := startBodies(t, args)
			for _, version := range []int{1, 2} {
				sendBodies(t, s.addr(), version)
			}
			eventually(t, "the memory is given back", func() bool {
				for _, pid := range append(s.children(), s.process("gateway")) {
					if maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)); bytes.Contains(maps, []byte("gonicorn-body")) {
						return false
					}
				}
				return true
			})
			s.stop()
		})
	}
}

func startBodies(t *testing.T, args []string) *server {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bodies_app.py"), []byte(bodiesApp), 0o600); err != nil {
		t.Fatal(err)
	}
	return startWith(t, options{dir: dir}, "bodies_app:"+args[0], "-k", args[1], "-w", "2", "--http2-cleartext", "-b", "127.0.0.1:0",
		"--python", interpreter(t)).ready()
}

// sendBodies has four clients send bodies of all sizes, with their lengths and without.
func sendBodies(t *testing.T, addr string, version int) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == 1)
	protocols.SetUnencryptedHTTP2(version == 2)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: bound}
	var all sync.WaitGroup
	for who := range 4 {
		all.Go(func() {
			content := rand.NewChaCha8([32]byte{byte(who), byte(version)})
			for _, size := range []int{1, 40 << 10, 70_000, 256 << 10, 300_000, 1 << 20, 1<<20 + 5000, 4 << 20, 5 << 20} {
				body := make([]byte, size)
				_, _ = content.Read(body)
				want := fmt.Sprintf("%d %x", size, sha256.Sum256(body))
				for name, reader := range map[string]io.Reader{"sized": bytes.NewReader(body), "chunked": io.MultiReader(bytes.NewReader(body))} {
					resp, err := client.Post("http://"+addr+"/", "application/octet-stream", reader)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != 200 || string(got) != want {
						t.Errorf("HTTP/%d, %d bytes, %s: status %d, %q, %v", version, size, name, resp.StatusCode, got, err)
					}
				}
			}
		})
	}
	all.Wait()
}

// A request goes to another worker with its body as the client has sent it, whatever
// the first one has done to it.
func TestReplayedBodyIsTheClients(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"wsgi", "sync"}, {"asgi", "event-loop"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			s := startBodies(t, args)
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			want := fmt.Sprintf("%d %x", len(body), sha256.Sum256(body))
			for range 2 {
				if resp, got := fetch(t, "GET", "http://"+s.addr()+"/die", bytes.NewReader(body)); resp.StatusCode != 200 || got != want {
					t.Errorf("status %d, %q", resp.StatusCode, got)
				}
			}
			s.expect(`a worker died with a request in flight`)
			s.stop()
		})
	}
}
