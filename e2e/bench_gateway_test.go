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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What the gateway promises under reloads, deaths and slow clients. make
// bench-gateway runs these; what a request costs is bench/cost's.

// startGateway starts the gateway in front of two workers of the test's Go app.
func startGateway(b *testing.B, args ...string) *server {
	b.Helper()
	return startBench(b, append(append([]string{"-b", "127.0.0.1:0", "-w", "2", "-k", "event-loop", "-e", envRole + "=web"}, args...),
		"--", os.Getenv("E2E_APP"))...)
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
	s := startGateway(b, "--keep-alive", "60")
	for b.Loop() {
		failed, closed, done := underLoad(s.addr(), 32, func() {
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
	s := startGateway(b, "--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge")
	for b.Loop() {
		cmd := exec.Command("h2load", "-c8", "-m8", "-D", "10", "http://"+s.addr()+"/")
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
	s := startGateway(b, "-w", "4")
	for b.Loop() {
		failed, _, done := underLoad(s.addr(), 32, func() {
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
	s := startGateway(b)
	for b.Loop() {
		var took []time.Duration
		for range 10 {
			mark := s.log.mark()
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			began := time.Now()
			c := &client{addr: s.addr()}
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
		failed, _, done := underLoad(s.addr(), 32, func() {
			waitReadyFor(time.Second)
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			waitReadyFor(time.Second)
		})
		b.ReportMetric(float64(failed), "failed-of-32-clients")
		b.ReportMetric(float64(done), "requests")
	}
}
