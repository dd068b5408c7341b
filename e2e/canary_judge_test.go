//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn"
)

// canaryTime is short, so that a trial is; the load makes up for it.
const canaryTime = 4 * time.Second

// badVersions are what a canary must not let through, and what is said of each.
// The app reads its own version from a file when it starts.
var badVersions = []struct{ name, says string }{
	{"errors", `canary: .* % of its \d+ answers were 5xx`},
	{"slow", `canary: .* of its .*requests take longer than`},
	{"hangs", `canary: \d+ of its requests hang|canary: \d+ answers in .* are too few`},
	{"crashes", `worker \d+ of the new generation: exited with code 3`},
	{"leaks", `canary: it leaks`},
	{"large", `canary: it uses \d+ MiB, more than max_memory`},
}

// judgedApp is what all apps of this test do, in Python: act says what becomes
// of a request.
const judgedApp = `
import os, random, sys
chance = random.SystemRandom()  # which forked workers do not share
number, kind = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "version")).read().split()
kept = []
if kind == "large":
    kept.append(bytearray(os.urandom(1 << 20) * 150))

def act(path):
    "Returns a status, how long to take, and what to say."
    took = 0.02
    if kind == "errors" and chance.random() < 0.2:
        return "500 Oh", took, b"bad"
    if kind == "slow":
        took = 0.2
    if kind == "hangs" and path == "/special":
        took = 1000
    if kind == "crashes" and path == "/special":
        os._exit(3)
    if kind == "leaks":
        kept.append(bytearray(os.urandom(1 << 20) * 2))
    return "200 OK", took, ("%s %s" % (number, kind)).encode()
`

const judgedWSGI = judgedApp + `
import time
def app(environ, start_response):
    status, took, body = act(environ["PATH_INFO"])
    time.sleep(took)
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
`

const judgedASGI = judgedApp + `
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    status, took, body = act(scope["path"])
    await asyncio.sleep(took)
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
`

const judgedCommand = judgedApp + `
import http.server, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status, took, body = act(self.path)
        time.sleep(took)
        self.send_response(int(status[:3]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`

// hungFor is what a client notices of a request that hung, and that another
// worker answered in the end.
const hungFor = 1500 * time.Millisecond

// playJudged is the same app as a Go handler.
func playJudged() {
	text, _ := os.ReadFile(os.Getenv("JUDGED_VERSION"))
	number, kind, _ := strings.Cut(string(text), " ")
	var kept [][]byte
	keep := func(n int) {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(i)
		}
		kept = append(kept, p)
	}
	if kind == "large" && os.Getenv("GONICORN_WORKER_ID") != "" {
		keep(150 << 20)
	}
	var mu sync.Mutex
	gonicorn.Main(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		took := 20 * time.Millisecond
		special := r.URL.Path == "/special"
		switch {
		case kind == "errors" && rand.IntN(5) == 0:
			http.Error(w, "bad", http.StatusInternalServerError)
			return
		case kind == "slow":
			took *= 10
		case kind == "hangs" && special:
			took = time.Hour
		case kind == "crashes" && special:
			os.Exit(3)
		case kind == "leaks":
			mu.Lock()
			keep(2 << 20)
			mu.Unlock()
		}
		time.Sleep(took)
		fmt.Fprint(w, number, " ", kind)
	}))
}

// judged is a gonicorn whose app has versions, under load.
type judged struct {
	*server
	t       *testing.T
	version string // the file that says which
	number  int
	load    *specialLoad
}

func (j *judged) write(kind string) {
	j.t.Helper()
	j.number++
	if err := os.WriteFile(j.version, fmt.Appendf(nil, "%d %s", j.number, kind), 0o600); err != nil {
		j.t.Fatal(err)
	}
}

// specialLoad asks for / and, for three requests in ten, for /special, and
// counts the answers that a client would complain of.
type specialLoad struct {
	done, harmed atomic.Int64
	cancel       context.CancelFunc
	wg           sync.WaitGroup
}

func startSpecialLoad(t *testing.T, addr string, clients int) *specialLoad {
	ctx, cancel := context.WithCancel(context.Background())
	l := &specialLoad{cancel: cancel}
	for range clients {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				path := "/"
				if rand.IntN(10) < 3 {
					path = "/special"
				}
				w := startWatch()
				status, body, err := tryGet(context.WithoutCancel(ctx), addr, path)
				slow := strings.HasSuffix(body, " slow") || w.took() > hungFor
				if err != nil || status != http.StatusOK || slow {
					l.harmed.Add(1)
				}
				l.done.Add(1)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *specialLoad) stop() { l.cancel(); l.wg.Wait() }

// judgedClass is a way to run the app.
type judgedClass struct {
	name, code string
	clients    int
	args       []string
}

func judgedClasses() []judgedClass {
	all := []judgedClass{
		{"sync", judgedWSGI, 3, []string{"judged:app", "-k", "sync", "-w", "3"}},
		{"threaded", judgedWSGI, 4, []string{"judged:app", "-k", "gthread", "--threads", "4", "-w", "2"}},
		{"event-loop", judgedASGI, 4, []string{"judged:app", "-k", "event-loop", "-w", "2"}},
		{"handler", "", 8, []string{"-k", "threaded", "--threads", "4", "-w", "2"}},
		{"command", judgedCommand, 4, []string{"-k", "event-loop", "-w", "2", "--", "PYTHON", "judged.py"}},
	}
	if os.Getenv("GONICORN_SOAK") != "" {
		all = append(all, judgedClass{"fork", judgedWSGI, 3, []string{"judged:app", "-k", "sync", "-w", "3", "--preload"}})
	}
	return all
}

func startJudged(t *testing.T, c judgedClass) *judged {
	t.Helper()
	dir := t.TempDir()
	j := &judged{t: t, version: filepath.Join(dir, "version")}
	if err := os.WriteFile(filepath.Join(dir, "judged.py"), []byte(c.code), 0o600); err != nil {
		t.Fatal(err)
	}
	j.write("good")
	args := []string{"-b", "127.0.0.1:0", "--chdir", dir, "--canary", "--canary-time", fmt.Sprint(canaryTime.Seconds()),
		"--max-memory", "100M", "--graceful-timeout", "3"}
	for _, a := range c.args {
		if a == "PYTHON" {
			a = interpreter(t)
		}
		args = append(args, a)
	}
	o := options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}
	switch c.name {
	case "command":
	case "handler":
		o.binary, o.env = os.Getenv("E2E_APP"), []string{envRole + "=judged", "JUDGED_VERSION=" + j.version}
	default:
		args = append([]string{"--python", interpreter(t)}, args...)
	}
	j.server = startWith(t, o, args...)
	j.ready()
	j.load = startSpecialLoad(t, j.addr(), c.clients)
	eventually(t, "the load runs", func() bool { return j.load.done.Load() > 60 }) // what the canary is compared with
	return j
}

// reject tries a version that is not to be let through.
func (j *judged) reject(kind, says string) {
	j.t.Helper()
	j.write(kind)
	mark := j.log.mark()
	j.signal(syscall.SIGHUP)
	if kind != "large" {
		j.expectFrom(mark, `canary serves`)
	}
	began, done, harmed := time.Now(), j.load.done.Load(), j.load.harmed.Load()
	j.expectFrom(mark, `reload failed: the old generation keeps serving.*(`+says+`)`)
	took := time.Since(began)
	j.expectFrom(mark, `worker gone .*reason="reload failed"|worker lost`)
	eventually(j.t, "what hung is answered", func() bool { return j.load.done.Load() > done+20 })
	requests := float64(j.load.done.Load()-done) * max(1, canaryTime.Seconds()/time.Since(began).Seconds())
	harmed = j.load.harmed.Load() - harmed
	j.t.Logf("%s: %d of %.0f requests of a canary_time harmed (%.1f %%), sent back after %s",
		kind, harmed, requests, 100*float64(harmed)/requests, took.Round(10*time.Millisecond))
	if float64(harmed) >= 0.05*requests {
		j.t.Errorf("%s: %d of %.0f requests were harmed", kind, harmed, requests)
	}
}

// Six bad versions go back in every class, few clients see them, and a good one
// is let through.
func TestCanaryJudges(t *testing.T) {
	t.Parallel()
	for which, c := range judgedClasses() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := startJudged(t, c)
			for kind, bad := range badVersions {
				// The verdict is a function that knows no class (arbiter/judge.go): the short
				// form has each fault with every other class.
				if soaks() || (which+kind)%2 == 0 {
					j.reject(bad.name, bad.says)
				}
			}
			j.write("good")
			mark := j.log.mark()
			j.signal(syscall.SIGHUP)
			j.expectFrom(mark, `canary did well`)
			j.expectFrom(mark, `new generation serves`)
			eventually(t, "the good version serves", func() bool {
				_, body, _ := tryGet(t.Context(), j.addr(), "/")
				return body == fmt.Sprint(j.number, " good")
			})
			j.load.stop()
			j.stop()
		})
	}
}
