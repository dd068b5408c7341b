//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const pacedApp = `
import time

def app(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("404 Not Found" if environ["PATH_INFO"] == "/missing" else "200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
`

// monitored starts gonicorn with a monitor, and returns where that is.
func monitored(t *testing.T, args ...string) (*server, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "paced.py"), []byte(pacedApp), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"paced:app", "-b", "127.0.0.1:0", "--admin-bind", ":0", "--python", interpreter(t)}, args...)
	s := startWith(t, options{dir: dir}, args...).ready()
	return s, s.expect(`status page and metrics at: (http://127\.0\.0\.1:\d+)/`)[1]
}

// metric is the value of a metric, -1 if it is not there.
func metric(t *testing.T, admin, name string) float64 {
	t.Helper()
	resp, body := fetch(t, "GET", admin+"/metrics", nil)
	if resp.StatusCode != 200 {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		return -1
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// probe is what a probe answers.
func probe(t *testing.T, admin, name string) (int, string) {
	t.Helper()
	resp, body := fetch(t, "GET", admin+"/"+name, nil)
	return resp.StatusCode, strings.TrimSpace(body)
}

func TestMetricsOfAllWorkersTogether(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s, admin := monitored(t, "-w", "1", "-k", class, "--server-timing")
			const each = 4
			done := make(chan error, each)
			for range each {
				go func() {
					_, _, err := tryGet(context.Background(), s.addr(), "/?0.3")
					done <- err
				}()
			}
			for range each {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			get(t, s.addr(), "/missing")
			resp, _ := fetch(t, "POST", "http://"+s.addr()+"/", strings.NewReader("x"))
			if timing := resp.Header.Get("Server-Timing"); !regexp.MustCompile(`^queue;dur=[\d.]+, app;dur=[\d.]+$`).MatchString(timing) {
				t.Errorf("Server-Timing: %q", timing)
			}
			eventually(t, "all requests are counted", func() bool {
				return metric(t, admin, `gonicorn_http_app_seconds_count`) == each+2
			})
			for name, want := range map[string]float64{
				`gonicorn_http_requests_total{class="2xx",method="GET"}`:  each,
				`gonicorn_http_requests_total{class="4xx",method="GET"}`:  1,
				`gonicorn_http_requests_total{class="2xx",method="POST"}`: 1,
				`gonicorn_http_app_seconds_count`:                         each + 2,
				`gonicorn_workers{state="ready"}`:                         1,
				`gonicorn_worker_restarts_total`:                          0,
				`gonicorn_reloads_total{outcome="success"}`:               0,
			} {
				if got := metric(t, admin, name); got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
			app, queue := metric(t, admin, "gonicorn_http_app_seconds_sum"), metric(t, admin, "gonicorn_http_queue_seconds_sum")
			if app < each*0.3 {
				t.Errorf("%.3f s in the app, want %.1f at least", app, each*0.3)
			}
			// A sync worker has one after the other: the last has waited for three.
			if class == "sync" && (queue < 1.2 || app > queue+0.6) || class == "event-loop" && queue > app {
				t.Errorf("%.3f s in the queue, %.3f s in the app", queue, app)
			}
			s.signal(syscall.SIGHUP)
			s.expect(`new generation serves`)
			eventually(t, "the reload is counted", func() bool { return metric(t, admin, `gonicorn_reloads_total{outcome="success"}`) == 1 })
			eventually(t, "and why the worker ended", func() bool { return metric(t, admin, `gonicorn_worker_ends_total{reason="reload"}`) == 1 })
			if n := metric(t, admin, `gonicorn_http_requests_total{class="2xx",method="GET"}`); n != each {
				t.Errorf("%v requests after a reload", n)
			}
			s.stop()
		})
	}
}

func TestProbesFollowTheLife(t *testing.T) {
	t.Parallel()
	s, admin := monitored(t, "-w", "1", "--ready-max-queue", "1", "--graceful-timeout", "5")
	for _, name := range []string{"livez", "readyz"} {
		eventually(t, name, func() bool { code, body := probe(t, admin, name); return code == 200 && body == "ok" })
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 4 { // one is served, three wait
		go func() { _, _, _ = tryGet(ctx, s.addr(), "/?30") }()
	}
	eventually(t, "the queue is too long", func() bool {
		code, why := probe(t, admin, "readyz")
		return code == 503 && strings.Contains(why, "requests wait for a worker, ready_max_queue is 1")
	})
	if code, _ := probe(t, admin, "livez"); code != 200 {
		t.Errorf("livez: %d", code)
	}
	cancel()
	eventually(t, "the queue is short", func() bool { code, _ := probe(t, admin, "readyz"); return code == 200 })
	// A monitor that dies is started again, and nothing else happens.
	pid, _ := strconv.Atoi(s.expect(`monitor started monitor=1 pid=(\d+)`)[1])
	mark := s.log.mark()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.expectFrom(mark, `monitor ready`)
	if code, _ := probe(t, admin, "livez"); code != 200 {
		t.Errorf("livez: %d", code)
	}
	for pid := range s.pids() { // it still has the request that nobody waits for
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(`worker lost`)
	eventually(t, "there is a worker again", func() bool { code, _ := probe(t, admin, "readyz"); return code == 200 })
	// While it drains, and until all is over, it says that it is not ready.
	go func() { _, _, _ = tryGet(context.Background(), s.addr(), "/?2") }()
	eventually(t, "a request is in flight", func() bool { return metric(t, admin, "gonicorn_requests_in_flight") == 1 })
	s.signal(syscall.SIGTERM)
	eventually(t, "it says that it stops", func() bool { code, why := probe(t, admin, "readyz"); return code == 503 && why == "stopping" })
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAdminBindAndItsMistakes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, "demo", "-b", "127.0.0.1:0", "--admin-bind", l.Addr().String())
	if code := s.wait(); code != 1 || !strings.Contains(s.log.text(), "admin_bind") {
		t.Errorf("exit code %d: %s", code, s.log.text())
	}
	// For others than this machine, the page needs a token.
	s = start(t, "demo", "-b", "127.0.0.1:0", "--admin-bind", "0.0.0.0:0").ready()
	m := s.expect(`status page at: http://0\.0\.0\.0:(\d+)/\?token=(\S+);`)
	admin := "http://127.0.0.1:" + m[1]
	if resp, _ := fetch(t, "GET", admin+"/api/status", nil); resp.StatusCode != 401 {
		t.Errorf("status %d without the token", resp.StatusCode)
	}
	if resp, _ := fetch(t, "GET", admin+"/api/status", nil, "Authorization", "Bearer "+m[2]); resp.StatusCode != 200 {
		t.Errorf("status %d with it", resp.StatusCode)
	}
	// What a Go handler's workers do is seen as well.
	get(t, s.addr(), "/")
	eventually(t, "the request is counted", func() bool {
		_, body := fetch(t, "GET", admin+"/metrics", nil)
		return regexp.MustCompile(`gonicorn_worker_requests_total\{pid="\d+",worker="1"\} 1`).MatchString(body)
	})
	s.stop()
}

// An upgrade takes the monitor's address along.
func TestMonitorSurvivesAnUpgrade(t *testing.T) {
	t.Parallel()
	s, admin := monitored(t, "-w", "1", "--pid", "pid")
	s.signal(syscall.SIGUSR2)
	next, _ := strconv.Atoi(s.expect(`new gonicorn started pid=(\d+)`)[1])
	t.Cleanup(func() { _ = syscall.Kill(next, syscall.SIGKILL) })
	s.expect(`the new gonicorn serves beside this one`)
	s.signal(syscall.SIGTERM)
	eventually(t, "the new one's monitor answers", func() bool {
		req, _ := http.NewRequest("GET", admin+"/api/status", nil)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), fmt.Sprintf(`"pid":%d,"folder"`, next))
	})
	if err := syscall.Kill(next, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new one has ended", func() bool { return syscall.Kill(next, 0) != nil })
	s.wait()
}

// The page shows what there is in a real browser, narrow as a phone's.
func TestStatusPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium: apt-get install chromium")
	}
	t.Parallel()
	s, admin := monitored(t, "-w", "2")
	ctx, cancel := context.WithTimeout(context.Background(), 2*bound)
	defer cancel()
	slow, stopSlow := context.WithCancel(ctx)
	defer stopSlow()
	go func() { _, _, _ = tryGet(slow, s.addr(), "/a%3Cb%3E?20") }()
	eventually(t, "a request is in flight", func() bool { return metric(t, admin, "gonicorn_requests_in_flight") == 1 })
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=390,800",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=4000", "--dump-dom", admin+"/")
	cmd.WaitDelay = time.Second
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, dom)
	}
	for _, want := range []string{
		`<span id="state" class="good">serving</span>`, "paced:app", "2 of 2</b>", "requests/s", `data-name="worker"`,
		"GET /a%3Cb%3E", "<polyline",
	} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("no %s in the page", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", dom)
	}
	stopSlow()
	s.stop()
}

func TestStatsd(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s, _ := monitored(t, "-w", "2", "--statsd-host", server.LocalAddr().String(), "--statsd-prefix", "shop", "--dogstatsd-tags", "a:b",
		"--enable-backlog-metric")
	get(t, s.addr(), "/missing")
	wanted := []string{"shop.gunicorn.request.status.404:1|c|#a:b", "shop.gunicorn.requests:1|c|#a:b", "shop.gunicorn.workers:2|g|#a:b", "shop.gunicorn.backlog:0|g|#a:b"}
	expectPackets(t, server, wanted...)
	s.stop()
}

// expectPackets reads until all of these have been in some packet.
func expectPackets(t *testing.T, server net.PacketConn, wanted ...string) {
	t.Helper()
	_ = server.SetReadDeadline(time.Now().Add(bound))
	buf := make([]byte, 64<<10)
	var all strings.Builder
	for {
		missing := ""
		for _, want := range wanted {
			if !strings.Contains(all.String(), want) {
				missing = want
			}
		}
		if missing == "" {
			return
		}
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			t.Fatalf("no %q in %s: %v", missing, all.String(), err)
		}
		all.Write(buf[:n])
		all.WriteByte('\n')
	}
}

func TestLogsGoToSyslog(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s, _ := monitored(t, "-w", "1", "--log-syslog", "--log-syslog-to", "udp://"+server.LocalAddr().String(), "--log-syslog-prefix", "shop",
		"--log-syslog-facility", "local1", "--access-logformat", "%(m)s %(U)s %(s)s")
	get(t, s.addr(), "/missing")
	for pid := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	expectPackets(t, server, "<142>1 ", " gonicorn.shop ", " access - GET /missing 404", " error - worker ready worker=1", "<139>1 ", "worker lost worker=1")
	s.stop()
}
