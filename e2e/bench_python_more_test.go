//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// BenchmarkPythonWebSocket counts messages that 32 clients get echoed, each
// sending the next when it has the last.
func BenchmarkPythonWebSocket(b *testing.B) {
	for _, p := range asgiPeers() {
		p.args = strings.Replace(p.args, "--no-ws", "--ws", 1)
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				addr, _ := startServer(b, p, workload{app: "bench_apps:echo_asgi", asgi: true}, 2)
				var messages atomic.Int64
				ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
				var clients sync.WaitGroup
				for range 32 {
					clients.Go(func() {
						c, _, err := websocket.Dial(ctx, "ws://"+addr+"/", nil)
						if err != nil {
							b.Error(err)
							return
						}
						defer c.CloseNow()
						for c.Write(ctx, websocket.MessageText, []byte("hello")) == nil {
							if _, _, err := c.Read(ctx); err != nil {
								return
							}
							messages.Add(1)
						}
					})
				}
				clients.Wait()
				cancel()
				b.ReportMetric(float64(messages.Load())/3, "messages/s")
			}
		})
	}
}

// BenchmarkPythonTail has ten workers of one request each, of which every fifth
// takes 200 ms, under 60 % of the load that they can do, whether they keep up or
// not: what do the fast ones wait?
func BenchmarkPythonTail(b *testing.B) {
	const workers, slowShare, capacity = 10, 0.2, 0.6
	rate := capacity * workers / (slowShare * 0.2) // requests a second
	wsgi, asgi := workload{app: "bench_apps:tail_wsgi"}, workload{app: "bench_apps:tail_asgi", asgi: true}
	for _, c := range []struct {
		peer
		workload
	}{
		{peer{"gonicorn-sync", "{gonicorn} {app} -w {workers} -b {addr} --python {python} -k sync"}, wsgi},
		{peer{"gunicorn-sync", "{bin}/gunicorn {app} -w {workers} -b {addr}"}, wsgi},
		{peer{"gunicorn-gthread", "{bin}/gunicorn {app} -w {workers} -b {addr} -k gthread --threads 1"}, wsgi},
		{peer{"granian", "{bin}/granian --interface wsgi --host {host} --port {port} --workers {workers} --blocking-threads 1 --no-ws {app}"}, wsgi},
		{peer{"uvicorn", "{bin}/uvicorn {app} --workers {workers} --host {host} --port {port} --no-access-log --lifespan off"}, asgi},
	} {
		b.Run(c.peer.name, func(b *testing.B) {
			for b.Loop() {
				addr, _ := startServer(b, c.peer, c.workload, workers)
				waitReadyFor(2 * time.Second) // all ten
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: bound}
				var mu sync.Mutex
				var fast []time.Duration
				failed := 0
				var all sync.WaitGroup
				random := rand.New(rand.NewPCG(1, 2))
				began, due := time.Now(), 0.0
				for due < 15 {
					due += random.ExpFloat64() / rate
					waitReadyFor(time.Until(began.Add(time.Duration(due * float64(time.Second)))))
					slow := random.Float64() < slowShare
					all.Go(func() {
						path, at := "/", time.Now()
						if slow {
							path = "/slow"
						}
						resp, err := client.Get("http://" + addr + path)
						took := time.Since(at)
						mu.Lock()
						defer mu.Unlock()
						if err != nil || resp.StatusCode != 200 {
							failed++
						} else if !slow {
							fast = append(fast, took)
						}
						if err == nil {
							resp.Body.Close()
						}
					})
				}
				all.Wait()
				slices.Sort(fast)
				at := func(q float64) float64 { return float64(fast[int(q*float64(len(fast)-1))].Microseconds()) / 1000 }
				b.ReportMetric(at(0.5), "p50-ms")
				b.ReportMetric(at(0.95), "p95-ms")
				b.ReportMetric(at(0.99), "p99-ms")
				b.ReportMetric(float64(failed), "failed")
				fmt.Printf("%-18s %d fast requests at %.0f/s\n", c.peer.name, len(fast), rate)
			}
		})
	}
}
