//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Python apps under gonicorn and under the servers that people use today: same
// app, same interpreter, same cores, one run. make bench-python installs the
// peers into .venv-bench.

// peer is a server and how it is started for an app: {app}, {addr}, {workers}.
type peer struct {
	name string
	args string
}

func wsgiPeers() []peer {
	return []peer{
		{"gonicorn-sync", "{gonicorn} {app} -w {workers} -b {addr} --python {python} -k sync"},
		{"gonicorn-threads", "{gonicorn} {app} -w {workers} -b {addr} --python {python} --threads 4"},
		{"gunicorn-sync", "{bin}/gunicorn {app} -w {workers} -b {addr}"},
		{"gunicorn-gthread", "{bin}/gunicorn {app} -w {workers} -b {addr} --threads 4"},
		{"uwsgi", "{bin}/uwsgi --master --http {addr} --http-keepalive=60 --so-keepalive --add-header Connection:Keep-Alive --processes {workers} --threads 4 --disable-logging --module {app} --venv {venv}"},
		{"granian", "{bin}/granian --interface wsgi --host {host} --port {port} --workers {workers} --blocking-threads 1 --no-ws {app}"},
	}
}

func asgiPeers() []peer {
	return []peer{
		{"gonicorn", "{gonicorn} {app} -w {workers} -b {addr} --python {python}"},
		{"uvicorn", "{bin}/uvicorn {app} --workers {workers} --host {host} --port {port} --no-access-log --lifespan off"},
		{"gunicorn-uvicorn", "{bin}/gunicorn {app} -w {workers} -b {addr} -k uvicorn_worker.UvicornWorker"},
		{"granian", "{bin}/granian --interface asgi --host {host} --port {port} --workers {workers} --no-ws {app}"},
		{"hypercorn", "{bin}/hypercorn {app} -w {workers} -b {addr}"},
	}
}

// workload is an app and what it is asked.
type workload struct {
	name, app string
	env       string // BENCH_APP
	asgi      bool
	script    string // of wrk
}

const postTenKiB = `wrk.method = "POST"
wrk.body = string.rep("x", 10240)
`

func workloads() []workload {
	return []workload{
		{name: "hello-wsgi", app: "bench_apps:hello_wsgi"},
		{name: "hello-asgi", app: "bench_apps:hello_asgi", asgi: true},
		{name: "flask-json", app: "bench_apps:app", env: "flask"},
		{name: "fastapi-json", app: "bench_apps:app", env: "fastapi", asgi: true},
		{name: "django-hello", app: "bench_apps:app", env: "django"},
		{name: "echo-10KiB", app: "bench_apps:echo_wsgi", script: postTenKiB},
		{name: "one-MiB", app: "bench_apps:big_wsgi"},
		{name: "sleep-5ms", app: "bench_apps:sleep_wsgi"},
		{name: "sse-100", app: "bench_apps:sse_asgi", asgi: true},
	}
}

// measured is what one server did with one workload.
type measured struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	cpu      float64 // seconds of all processes for 1,000 requests
	rss      float64 // MiB of all processes
	failed   float64
}

// startServer starts a peer in a process group of its own, in e2e/python.
func startServer(b *testing.B, p peer, w workload, workers int) (addr string, pgid int) {
	b.Helper()
	addr = listenLocal()
	host, port, _ := net.SplitHostPort(addr)
	venv, err := filepath.Abs("../.venv-bench")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(venv); err != nil {
		b.Fatalf("%v; make it with: make .venv-bench", err)
	}
	line := strings.NewReplacer("{gonicorn}", binary(), "{app}", w.app, "{addr}", addr, "{host}", host, "{port}", port,
		"{workers}", strconv.Itoa(workers), "{python}", venv+"/bin/python3", "{bin}", venv+"/bin", "{venv}", venv).Replace(p.args)
	args := strings.Fields(line)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "python"
	cmd.Env = append(cleanEnv(), "BENCH_APP="+w.env, "PYTHONPATH=.", "PYTHONDONTWRITEBYTECODE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, pid := range tree(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	awaitListener(b, addr)
	for deadline := time.Now().Add(bound); ; waitReadyFor(20 * time.Millisecond) {
		if err := (&client{addr: addr}).get("/"); err == nil {
			return addr, cmd.Process.Pid
		} else if time.Now().After(deadline) {
			b.Fatalf("%s never answers: %v", p.name, err)
		}
	}
}

// tree lists a process and all below it.
func tree(pid int) []int {
	all := []int{pid}
	for _, child := range childrenOf(pid) {
		all = append(all, tree(child)...)
	}
	return all
}

func measure(b *testing.B, addr string, pid, conns int, script string) measured {
	b.Helper()
	cpu := func() (d time.Duration) {
		for _, p := range tree(pid) {
			d += cpuTime(b, p)
		}
		return d
	}
	args := []string{"-t1", fmt.Sprintf("-c%d", conns), "-d3s", "--latency"}
	if script != "" {
		file := filepath.Join(b.TempDir(), "wrk.lua")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			b.Fatal(err)
		}
		args = append(args, "-s", file)
	}
	before := cpu()
	out, err := exec.Command("wrk", append(args, "http://"+addr+"/")...).CombinedOutput()
	if err != nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	used := cpu() - before
	text := string(out)
	m := measured{rate: number(text, `Requests/sec:\s+([\d.]+)`)}
	if n := number(text, `(\d+) requests in`); n > 0 {
		m.cpu = used.Seconds() / n * 1000
	}
	m.p50, m.p99 = latency(text, "50%"), latency(text, "99%")
	m.failed = number(text, `Non-2xx or 3xx responses: (\d+)`) + number(text, `read (\d+)`) + number(text, `timeout (\d+)`)
	for _, p := range tree(pid) {
		m.rss += float64(rssKiB(b, p)) / 1024
	}
	return m
}

// latency reads a line such as "99%    1.23ms" of wrk.
func latency(text, which string) time.Duration {
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}} {
		if n := number(text, `\s`+which+`\s+([\d.]+)`+unit.name+`\n`); n > 0 {
			return time.Duration(n * float64(unit.d))
		}
	}
	return 0
}

// BenchmarkPython prints a table: every app, server, and number of connections,
// with two workers; and hello with one and four.
func BenchmarkPython(b *testing.B) {
	for b.Loop() {
		fmt.Printf("\n%-14s %-7s %-5s %-18s %9s %9s %9s %9s %7s %6s\n", "app", "workers", "conns", "server", "req/s", "p50", "p99", "CPU s/1k", "MiB", "failed")
		var bars []bar
		for _, w := range workloads() {
			counts := []int{2}
			if strings.HasPrefix(w.name, "hello") {
				counts = []int{1, 2, 4}
			}
			for _, workers := range counts {
				bars = append(bars, compare(b, w, workers)...)
			}
		}
		if file := os.Getenv("BENCH_SVG"); file != "" {
			if err := os.WriteFile(file, plot(bars), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// bar is one bar of the plot.
type bar struct {
	workload, server string
	rate             float64
}

func compare(b *testing.B, w workload, workers int) (bars []bar) {
	peers := wsgiPeers()
	if w.asgi {
		peers = asgiPeers()
	}
	for _, p := range peers {
		b.Run(fmt.Sprintf("%s/%d/%s", w.name, workers, p.name), func(b *testing.B) {
			addr, pid := startServer(b, p, w, workers)
			for _, conns := range []int{32, 256} {
				m := measure(b, addr, pid, conns, w.script)
				fmt.Printf("%-14s %-7d %-5d %-18s %9.0f %9s %9s %9.4f %7.0f %6.0f\n", w.name, workers, conns, p.name, m.rate,
					m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond), m.cpu, m.rss, m.failed)
				if conns == 32 && workers == 2 {
					bars = append(bars, bar{w.name, p.name, m.rate})
				}
			}
		})
	}
	return bars
}

// plot draws the bars, those of each workload against its longest.
func plot(bars []bar) []byte {
	const width, left, height = 900, 220, 16
	most := map[string]float64{}
	for _, x := range bars {
		most[x.workload] = max(most[x.workload], x.rate)
	}
	var s strings.Builder
	y, last := 30, ""
	for _, x := range bars {
		if x.workload != last {
			y += 18
			fmt.Fprintf(&s, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", y, x.workload)
			y, last = y+8, x.workload
		}
		color := "#9aa5b1"
		if strings.HasPrefix(x.server, "gonicorn") {
			color = "#2f855a"
		}
		length := (width - left - 90) * x.rate / most[x.workload]
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/><text x="%.0f" y="%d">%.0f</text>`+"\n",
			left-6, y+12, x.server, left, y, length, height-3, color, left+length+6, y+12, x.rate)
		y += height
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/><text x="10" y="20" font-size="15">requests per second, 2 workers, 32 connections, 2 cores</text>
%s</svg>
`, width, y+20, s.String())
}
