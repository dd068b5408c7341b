package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

const (
	hello        = "Hello, world!"
	helloRequest = "GET /hello?name=world HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
)

// helloFields are only read.
var helloFields = []gateway.Field{{Name: "content-type", Value: "text/plain"}}

func helloHTTP1(_ context.Context, _ *gateway.Request, w gateway.Reply) {
	_ = w.Head(200, "", helloFields, int64(len(hello)))
	_, _ = w.Write([]byte(hello))
	_ = w.End(nil)
}

func helloNetHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, hello)
}

// BenchmarkServerHello compares the server with net/http's: one keep-alive
// connection over loopback, which waits for each answer.
func BenchmarkServerHello(b *testing.B) {
	b.Run("http1", func(b *testing.B) {
		v := start(b, gatewaytest.Lasting(app(helloHTTP1)))
		benchLoopback(b, v.l.Addr().String(), 1)
	})
	b.Run("nethttp", func(b *testing.B) { benchLoopback(b, startNetHTTP(b), 1) })
}

// BenchmarkServerPipelined leaves out the system calls: 16 requests at once.
func BenchmarkServerPipelined(b *testing.B) {
	b.Run("http1", func(b *testing.B) {
		v := start(b, gatewaytest.Lasting(app(helloHTTP1)))
		benchLoopback(b, v.l.Addr().String(), 16)
	})
	b.Run("nethttp", func(b *testing.B) { benchLoopback(b, startNetHTTP(b), 16) })
}

func startNetHTTP(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{
		Handler: http.HandlerFunc(helloNetHTTP), ReadHeaderTimeout: testTimeout, IdleTimeout: testTimeout, WriteTimeout: testTimeout,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	b.Cleanup(func() { s.Close(); wg.Wait() })
	return l.Addr().String()
}

func benchLoopback(b *testing.B, addr string, depth int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	requests := bytes.Repeat([]byte(helloRequest), depth)
	in := bufio.NewReaderSize(c, 16<<10)
	b.ReportAllocs()
	for n := 0; n < b.N; n += depth {
		if _, err := c.Write(requests); err != nil {
			b.Fatal(err)
		}
		for range depth {
			if err := readHello(in); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// readHello reads one answer, with nothing allocated.
func readHello(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := in.Discard(len(hello))
			return err
		}
	}
}

// BenchmarkIdleConnections measures what a connection costs that has been
// answered once and waits.
func BenchmarkIdleConnections(b *testing.B) {
	v := start(b, gatewaytest.Lasting(app(helloHTTP1)))
	var before, after runtime.MemStats
	for b.Loop() {
		const count = 500
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := make([]net.Conn, count)
		in := bufio.NewReader(nil)
		for i := range conns {
			c, err := net.Dial("tcp", v.l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = c
			if _, err := io.WriteString(c, helloRequest); err != nil {
				b.Fatal(err)
			}
			in.Reset(c)
			if err := readHello(in); err != nil {
				b.Fatal(err)
			}
		}
		for deadline := time.Now().Add(testTimeout); v.Counts().Idle < count && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		runtime.GC()
		runtime.GC() // the pool's, too
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/count, "bytes/conn") // the client's end too
		for _, c := range conns {
			c.Close()
		}
		for deadline := time.Now().Add(testTimeout); v.Counts().Open > 0 && time.Now().Before(deadline); {
			runtime.Gosched()
		}
	}
}

// BenchmarkParse is the head alone.
func BenchmarkParse(b *testing.B) {
	var h http1.RequestHead
	buf := []byte(helloRequest)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		h.Reset()
		if n, err := h.Parse(buf, &http1.Rules{}, false); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}
