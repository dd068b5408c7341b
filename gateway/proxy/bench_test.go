package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

// discard is a Reply that takes everything and keeps nothing.
type discard struct{}

func (discard) Interim(int, []gateway.Field) error                   { return nil }
func (discard) Head(int, string, []gateway.Field, int64) error       { return nil }
func (discard) Write(p []byte) (int, error)                          { return len(p), nil }
func (discard) Flush() error                                         { return nil }
func (discard) End([]gateway.Field) error                            { return nil }
func (discard) Upgrade(int, []gateway.Field) (c net.Conn, err error) { return nil, io.EOF }
func (discard) Started() bool                                        { return false }
func (discard) WriteFile(*os.File, int64, int64) error               { return nil }

// quick is a worker that costs little itself.
func quick(b *testing.B) net.Addr {
	return serveConn(b, func(_ int, c net.Conn, in *bufio.Reader) {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: quick\r\nContent-Length: 12\r\n\r\nhello, world")
		for {
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
}

func BenchmarkBackend(b *testing.B) {
	s := newSetup(b, Options{IdleConns: 100}, quick(b))
	s.workers[0].Capacity = 100
	s.Update(s.workers)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		r := request("GET", "/")
		for pb.Next() {
			if err := s.Serve(b.Context(), r, discard{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkReverseProxy is the standard library's at the same task.
func BenchmarkReverseProxy(b *testing.B) {
	a := quick(b)
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	defer transport.CloseIdleConnections()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.String()})
	proxy.Transport = transport
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := httptest.NewRecorder()
			proxy.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != 200 {
				b.Error(w.Code)
				return
			}
		}
	})
}
