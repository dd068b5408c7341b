package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

// app answers as real apps do.
func app() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Framing", fmt.Sprint(r.ContentLength, r.TransferEncoding))
		w.Header().Set("X-Trailer", r.Trailer.Get("Checksum"))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(1<<20))
		_, _ = w.Write(make([]byte, 1<<20))
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Checksum")
		for i := range 50 {
			fmt.Fprintf(w, "%d,", i)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("Checksum", "abc")
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.WriteHeader(200)
		fmt.Fprint(w, "hinted")
	})
	mux.HandleFunc("/none", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) })
	return mux
}

func TestRealServer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			s := newSetup(t, Options{}, serveHTTP(t, network, app()))
			s.want(t, request("GET", "/hello"), 200, "hello")
			if w := s.want(t, request("HEAD", "/hello"), 200, ""); w.length != 5 {
				t.Errorf("length of HEAD %d", w.length)
			}
			s.want(t, request("GET", "/none"), 204, "")
			s.want(t, request("GET", "/same"), 304, "")
			s.want(t, request("GET", "/large"), 200, string(make([]byte, 1<<20)))
			if w := s.want(t, request("GET", "/hints"), 200, "hinted"); len(w.interim) != 1 || w.interim[0] != 103 {
				t.Errorf("interim %v", w.interim)
			}
			w, err := s.do(t, request("GET", "/chunked"))
			if err != nil || w.length != -1 || len(w.trailers) != 1 || w.trailers[0].Value != "abc" || !strings.HasSuffix(w.body.String(), ",49,") {
				t.Errorf("chunked: %v, %+v", err, w)
			}
			s.want(t, request("GET", "/hello"), 200, "hello")
		})
	}
}

func TestRequestBodies(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 20_000)
	f, err := os.CreateTemp(t.TempDir(), "body")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	trailers := func() []gateway.Field { return []gateway.Field{{Name: "checksum", Value: "1"}} }
	for name, tc := range map[string]struct {
		body gateway.Body
		want string
	}{
		"small":   {gateway.Body{Length: 5, Inline: []byte("hello")}, "hello"},
		"empty":   {gateway.Body{}, ""},
		"inline":  {gateway.Body{Length: 60_000, Inline: []byte(text[:60_000])}, text[:60_000]},
		"file":    {gateway.Body{Length: int64(len(text)), File: f}, text},
		"stream":  {gateway.Body{Length: int64(len(text)), Stream: strings.NewReader(text + "next")}, text},
		"chunked": {gateway.Body{Length: -1, Stream: strings.NewReader(text), Trailers: trailers}, text},
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(name+" "+network, func(t *testing.T) {
				s := newSetup(t, Options{}, serveHTTP(t, network, app()))
				r := request("POST", "/echo")
				r.Body = tc.body
				if str, ok := tc.body.Stream.(*strings.Reader); ok {
					defer str.Seek(0, io.SeekStart)
				}
				w := s.want(t, r, 200, tc.want)
				if got, want := w.get("x-trailer"), tc.body.Trailers != nil; (got == "1") != want {
					t.Errorf("trailer %q", got)
				}
				s.want(t, request("GET", "/hello"), 200, "hello")
			})
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	opened := make(chan int, 100)
	s := newSetup(t, Options{}, serveConn(t, func(n int, c net.Conn, in *bufio.Reader) {
		opened <- n
		for {
			if _, _, ok := readRequest(in); !ok {
				return
			}
			say(c, okResponse)
		}
	}))
	for range 10 {
		s.want(t, request("GET", "/"), 200, "ok")
	}
	if n := len(opened); n != 1 {
		t.Errorf("%d connections for requests one after the other", n)
	}
}

// Each connection must not be used again behind its answer.
func TestConnectionsThatEnd(t *testing.T) {
	for name, response := range map[string]string{
		"close":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
		"HTTP/1.0":    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"until close": "HTTP/1.1 200 OK\r\n\r\nok",
		"surplus":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	} {
		t.Run(name, func(t *testing.T) {
			opened := make(chan int, 100)
			s := newSetup(t, Options{}, serveConn(t, func(n int, c net.Conn, in *bufio.Reader) {
				opened <- n
				if _, _, ok := readRequest(in); ok {
					say(c, response)
					if name != "until close" {
						_, _ = in.ReadByte()
					}
				}
			}))
			s.want(t, request("POST", "/"), 200, "ok")
			s.want(t, request("POST", "/"), 200, "ok")
			if n := len(opened); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestKeepAlivePromise(t *testing.T) {
	for value, want := range map[string]string{
		"timeout=5": "4s", "timeout=5, max=100": "4s", "max=3, Timeout=1": "500ms", "": "0s", "timeout=": "0s", "timeout=-1": "0s", "timeout=99999999999": "0s",
	} {
		if got := promised(value).String(); got != want {
			t.Errorf("%q promises %s, want %s", value, got, want)
		}
	}
}
