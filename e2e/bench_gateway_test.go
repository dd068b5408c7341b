//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The gateway beside nginx and HAProxy, in front of the same upstreams. make
// bench-gateway runs these; the peers come from the system's packages.

// proxy is something in front of two workers.
type proxy struct {
	name string
	addr string
}

// upstreams starts two workers of an app on ports of their own, for the peers.
func upstreams(b *testing.B, app []string) (ports []string) {
	b.Helper()
	for range 2 {
		addr := listenLocal()
		_, port, _ := net.SplitHostPort(addr)
		cmd := exec.Command(app[0], app[1:]...)
		cmd.Env = append(cleanEnv(), "PORT="+port, envRole+"=web")
		runUntilEnd(b, cmd)
		awaitListener(b, "127.0.0.1:"+port)
		ports = append(ports, port)
	}
	return ports
}

func runUntilEnd(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func awaitListener(b *testing.B, addr string) {
	b.Helper()
	for deadline := time.Now().Add(bound); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("nobody listens at %s", addr)
		}
		waitReadyFor(5 * time.Millisecond)
	}
}

func startNginx(b *testing.B, ports []string) proxy {
	b.Helper()
	dir, addr := b.TempDir(), listenLocal()
	conf := fmt.Sprintf(`daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log; events { worker_connections 16384; }
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
keepalive_requests 1000000000;
upstream app { server 127.0.0.1:%[2]s; server 127.0.0.1:%[3]s; keepalive 256; keepalive_requests 1000000000; }
server { listen %[4]s backlog=2048; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-ID $request_id; } } }`, dir, ports[0], ports[1], addr)
	startPeer(b, dir, "nginx", conf, "-p", dir, "-c")
	awaitListener(b, addr)
	return proxy{"nginx", addr}
}

func startHAProxy(b *testing.B, ports []string) proxy {
	b.Helper()
	dir, addr := b.TempDir(), listenLocal()
	conf := fmt.Sprintf(`global
  nbthread 2
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind %s
  unique-id-format %%[uuid()]
  http-request set-header X-Request-ID %%[unique-id]
  default_backend b
backend b
  balance leastconn
  server a 127.0.0.1:%s pool-max-conn 256
  server b 127.0.0.1:%s pool-max-conn 256
`, addr, ports[0], ports[1])
	startPeer(b, dir, "haproxy", conf, "-db", "-f")
	awaitListener(b, addr)
	return proxy{"haproxy", addr}
}

// startPeer runs a peer with a config; it skips what is not installed.
func startPeer(b *testing.B, dir, program, conf string, args ...string) {
	b.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		b.Skipf("%s is not installed", program)
	}
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, append(args, file)...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); _ = cmd.Wait() })
}

// benchApps are the upstreams: the test binary's Go app and a node server.
func benchApps(b *testing.B) map[string][]string {
	apps := map[string][]string{"go": {os.Getenv("E2E_APP")}}
	if node, err := exec.LookPath("node"); err == nil {
		file := filepath.Join(b.TempDir(), "server.js")
		js := `require('http').createServer((q, s) => s.end('hello')).listen(process.env.PORT, '127.0.0.1')`
		if err := os.WriteFile(file, []byte(js), 0o600); err != nil {
			b.Fatal(err)
		}
		apps["node"] = []string{node, file}
	}
	return apps
}

func startGateway(b *testing.B, app []string, args ...string) (*server, proxy) {
	b.Helper()
	s := startBench(b, append(append([]string{"-b", "127.0.0.1:0", "-w", "2", "-k", "event-loop", "-e", envRole + "=web"}, args...),
		append([]string{"--"}, app...)...)...)
	return s, proxy{"gonicorn", s.addr()}
}

// wrk runs wrk and returns requests per second and how many failed.
func wrk(b *testing.B, addr string, conns int, d time.Duration) (rate, failed float64) {
	b.Helper()
	out, err := exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", conns), fmt.Sprintf("-d%ds", int(d.Seconds())), "http://"+addr+"/").CombinedOutput()
	if err != nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	text := string(out)
	failed = number(text, `Non-2xx or 3xx responses: (\d+)`) + number(text, `connect (\d+)`) + number(text, `read (\d+)`) +
		number(text, `write (\d+)`) + number(text, `timeout (\d+)`)
	return number(text, `Requests/sec:\s+([\d.]+)`), failed
}

// BenchmarkGatewayThroughput is requests per second through gonicorn, nginx and
// HAProxy, in turns, and gonicorn's share of the others'.
func BenchmarkGatewayThroughput(b *testing.B) {
	for app, argv := range benchApps(b) {
		for _, conns := range []int{32, 512} {
			b.Run(fmt.Sprintf("%s/%d", app, conns), func(b *testing.B) {
				ports := upstreams(b, argv)
				_, gw := startGateway(b, argv)
				all := []proxy{gw, startNginx(b, ports), startHAProxy(b, ports)}
				for b.Loop() {
					best := map[string]float64{}
					for range 3 {
						for _, p := range all {
							rate, failed := wrk(b, p.addr, conns, 3*time.Second)
							if failed > 0 {
								b.Logf("%s: %v requests failed", p.name, failed)
							}
							best[p.name] = max(best[p.name], rate)
						}
					}
					for name, rate := range best {
						b.ReportMetric(rate, name+"-req/s")
					}
					b.ReportMetric(best["gonicorn"]/best["nginx"], "of-nginx")
					b.ReportMetric(best["gonicorn"]/best["haproxy"], "of-haproxy")
				}
			})
		}
	}
}

// BenchmarkGatewayLatency is the latency at half of nginx's peak: an open loop,
// measured from when a request was due.
func BenchmarkGatewayLatency(b *testing.B) {
	argv := benchApps(b)["go"]
	ports := upstreams(b, argv)
	_, gw := startGateway(b, argv)
	nginx := startNginx(b, ports)
	peak, _ := wrk(b, nginx.addr, 32, 3*time.Second)
	for b.Loop() {
		p99 := map[string]time.Duration{}
		for range 2 {
			for _, p := range []proxy{nginx, gw} {
				took := paced(b, p.addr, peak/2, 64, 4*time.Second)
				at := took[len(took)*99/100]
				if old, ok := p99[p.name]; !ok || at < old {
					p99[p.name] = at
				}
			}
		}
		b.ReportMetric(peak/2, "req/s")
		for name, d := range p99 {
			b.ReportMetric(float64(d.Microseconds()), name+"-p99-us")
		}
		b.ReportMetric(float64(p99["gonicorn"])/float64(p99["nginx"]), "of-nginx")
	}
}

// paced sends requests at a rate over keep-alive connections and returns how
// long each took, sorted.
func paced(b *testing.B, addr string, rate float64, conns int, d time.Duration) []time.Duration {
	b.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	every := time.Duration(float64(conns) / rate * float64(time.Second))
	began := time.Now()
	for i := range conns {
		wg.Go(func() {
			k := &client{addr: addr}
			defer k.close()
			var took []time.Duration
			for due := began.Add(every * time.Duration(i) / time.Duration(conns)); due.Before(began.Add(d)); due = due.Add(every) {
				waitReadyFor(time.Until(due))
				if err := k.get("/"); err != nil {
					b.Error(err)
					return
				}
				took = append(took, time.Since(due))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}

// client is a keep-alive client that counts its connections.
type client struct {
	addr   string
	conn   net.Conn
	in     *bufio.Reader
	opened int
}

func (c *client) get(path string) error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
		c.opened++
	}
	_ = c.conn.SetDeadline(time.Now().Add(bound))
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		c.close()
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.close()
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err != nil || resp.Close {
		c.close()
	}
	return err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// BenchmarkGatewaySlowClients is what 1,000 slow clients leave of the others'
// throughput with two sync workers.
func BenchmarkGatewaySlowClients(b *testing.B) {
	s := startBench(b, append([]string{"-b", "127.0.0.1:0", "-w", "2", "--header-timeout", "600", "--body-timeout", "600"}, as("web")...)...)
	for b.Loop() {
		alone, _ := wrk(b, s.addr(), 32, 4*time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { slowClient(ctx, s.addr(), i%3) })
		}
		waitReadyFor(2 * time.Second)
		beside, failed := wrk(b, s.addr(), 32, 4*time.Second)
		b.ReportMetric(alone, "alone-req/s")
		b.ReportMetric(beside, "beside-req/s")
		b.ReportMetric(beside/alone, "of-alone")
		b.ReportMetric(failed, "failed")
		b.ReportMetric(float64(rssKiB(b, gatewayPID(s)))/1024, "gateway-MiB")
		cancel()
		wg.Wait()
	}
}

// slowClient sends a head at 10 bytes/s, a body at 100 bytes/s, or reads a
// large response at 1 KiB/s.
func slowClient(ctx context.Context, addr string, kind int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	context.AfterFunc(ctx, func() { conn.Close() })
	switch kind {
	case 0:
		trickle(ctx, conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "+strings.Repeat("x", 4000), 10)
	case 1:
		_, _ = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
		trickle(ctx, conn, strings.Repeat("x", 100000), 100)
	case 2:
		_, _ = io.WriteString(conn, "GET /big?mb=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		for buf := make([]byte, 1024); ctx.Err() == nil; waitReadyFor(time.Second) {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}
}

func trickle(ctx context.Context, w io.Writer, text string, perSecond int) {
	for ctx.Err() == nil && text != "" {
		n := min(len(text), perSecond)
		if _, err := io.WriteString(w, text[:n]); err != nil {
			return
		}
		text = text[n:]
		waitReadyFor(time.Second)
	}
}

// BenchmarkGatewayReloads is 20 reloads under keep-alive load: failed requests,
// and connections that were closed.
func BenchmarkGatewayReloads(b *testing.B) {
	s, gw := startGateway(b, benchApps(b)["go"], "--keep-alive", "60")
	for b.Loop() {
		failed, closed, done := underLoad(gw.addr, 32, func() {
			for range 20 {
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `new generation serves`)
				waitReadyFor(200 * time.Millisecond)
			}
		})
		b.ReportMetric(float64(failed), "failed")
		b.ReportMetric(float64(closed), "closed")
		b.ReportMetric(float64(done), "requests")
	}
}

// underLoad keeps n clients busy while do runs.
func underLoad(addr string, n int, do func()) (failed, closed, done int64) {
	var bad, reopened, all atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			c := &client{addr: addr}
			defer c.close()
			for {
				select {
				case <-stop:
					reopened.Add(int64(max(0, c.opened-1)))
					return
				default:
				}
				all.Add(1)
				if err := c.get("/"); err != nil {
					bad.Add(1)
				}
			}
		})
	}
	do()
	close(stop)
	wg.Wait()
	return bad.Load(), reopened.Load(), all.Load()
}

// BenchmarkGatewayHTTP2Reloads is 20 reloads under h2load.
func BenchmarkGatewayHTTP2Reloads(b *testing.B) {
	if _, err := exec.LookPath("h2load"); err != nil {
		b.Skip("h2load is not installed")
	}
	s, gw := startGateway(b, benchApps(b)["go"], "--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge")
	for b.Loop() {
		cmd := exec.Command("h2load", "-c8", "-m8", "-D", "10", "http://"+gw.addr+"/")
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for range 20 {
			mark := s.log.mark()
			s.signal(syscall.SIGHUP)
			s.expectFrom(mark, `new generation serves`)
			waitReadyFor(200 * time.Millisecond)
		}
		if err := cmd.Wait(); err != nil {
			b.Fatal(err, out)
		}
		b.ReportMetric(number(out.String(), `, ([\d.]+) req/s`), "req/s")
		b.ReportMetric(number(out.String(), `(\d+) failed`)+number(out.String(), `(\d+) errored`), "failed")
	}
}

// BenchmarkGatewayKilledWorkers kills workers at random under GET load.
func BenchmarkGatewayKilledWorkers(b *testing.B) {
	s, gw := startGateway(b, benchApps(b)["go"], "-w", "4")
	for b.Loop() {
		failed, _, done := underLoad(gw.addr, 32, func() {
			for range 20 {
				_ = syscall.Kill(anyOf(s.pids()), syscall.SIGKILL)
				waitReadyFor(400*time.Millisecond + time.Duration(rand.IntN(400))*time.Millisecond)
			}
		})
		b.ReportMetric(float64(failed), "failed")
		b.ReportMetric(float64(done), "requests")
	}
}

// BenchmarkGatewayKilled kills the gateway: what fails, and how long until a
// new connection is answered.
func BenchmarkGatewayKilled(b *testing.B) {
	s, gw := startGateway(b, benchApps(b)["go"])
	for b.Loop() {
		var took []time.Duration
		for range 10 {
			mark := s.log.mark()
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			began := time.Now()
			c := &client{addr: gw.addr}
			if err := c.get("/"); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(began))
			c.close()
			s.expectFrom(mark, `gateway ready`)
			waitReadyFor(1100 * time.Millisecond)
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "answer-median-ms")
		b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "answer-max-ms")
		failed, _, done := underLoad(gw.addr, 32, func() {
			waitReadyFor(time.Second)
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			waitReadyFor(time.Second)
		})
		b.ReportMetric(float64(failed), "failed-of-32-clients")
		b.ReportMetric(float64(done), "requests")
	}
}

// BenchmarkGatewayIdleConnections is the memory of 10,000 idle connections.
func BenchmarkGatewayIdleConnections(b *testing.B) {
	s, gw := startGateway(b, benchApps(b)["go"], "--keep-alive", "600")
	for b.Loop() {
		before := rssKiB(b, gatewayPID(s))
		var open []*client
		for range 10000 {
			c := &client{addr: gw.addr}
			if err := c.get("/"); err != nil {
				b.Fatal(err)
			}
			open = append(open, c)
		}
		rss := rssKiB(b, gatewayPID(s))
		b.ReportMetric(float64(rss)/1024, "MiB")
		b.ReportMetric(float64(rss-before)/10000, "KiB/connection")
		for _, c := range open {
			c.close()
		}
	}
}
