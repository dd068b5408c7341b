package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// TestBadResponses has a corpus of what a broken or hostile worker says.
func TestBadResponses(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, response := range map[string]string{
		"not HTTP":            "SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2":              "HTTP/2 200 OK\r\n\r\n",
		"no status":           "HTTP/1.1 OK\r\n\r\n",
		"status 99":           "HTTP/1.1 099 No\r\n\r\n",
		"long status":         "HTTP/1.1 2000 No\r\n\r\n",
		"bare LF":             "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"NUL in a value":      head + "A: \x00\r\n\r\n",
		"no colon":            head + "Abc\r\n\r\n",
		"empty name":          head + ": a\r\n\r\n",
		"differing lengths":   head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"negative length":     head + "Content-Length: -1\r\n\r\n",
		"length list":         head + "Content-Length: 1, 2\r\n\r\n",
		"length and chunked":  head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip coding":         head + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"chunked in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunk size":          head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"chunk too long":      head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		"forbidden trailer":   head + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
		"unasked 101":         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"endless interim":     strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000),
		"huge head":           head + strings.Repeat("A: "+strings.Repeat("a", 1000)+"\r\n", 100) + "\r\n",
		"huge line":           head + "A: " + strings.Repeat("a", 100_000),
		"many fields":         head + strings.Repeat("A: b\r\n", 2000) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
				if _, _, ok := readRequest(in); ok {
					say(c, response)
					_, _ = in.ReadByte() // never closes by itself
				}
			}))
			_, err := s.do(t, request("GET", "/"))
			var failed *gateway.WorkerError
			var bad *gateway.BadResponse
			if !errors.As(err, &failed) || failed.Died || failed.Unsent || failed.PID != 1000 || !errors.As(err, &bad) {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestTruncatedResponses(t *testing.T) {
	for name, response := range map[string]string{
		"nothing": "", "head": "HTTP/1.1 200 OK\r\nA:", "body": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
		"chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
				if _, _, ok := readRequest(in); ok {
					seen.Add(1)
					say(c, response)
				}
			}))
			w, err := s.do(t, request("GET", "/"))
			var failed *gateway.WorkerError
			if !errors.As(err, &failed) || !failed.Died || failed.Unsent || w.ended || seen.Load() != 1 {
				t.Errorf("got %#v, ended %v, seen %d times", err, w.ended, seen.Load())
			}
		})
	}
}

// A connection that the worker has closed, or spoken on, while it was idle is
// not used, whatever the method: nothing of the request gets lost.
func TestStaleConnections(t *testing.T) {
	for name, last := range map[string]string{"closed": "", "spoken on": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{}, 10)
			s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
				if _, _, ok := readRequest(in); !ok {
					return
				}
				say(c, okResponse)
				say(c, last)
				_ = c.(*net.TCPConn).CloseWrite()
				ended <- struct{}{}
				_, _ = in.ReadByte()
			}))
			for range 3 {
				s.want(t, inline("POST", "/", "x"), 200, "ok")
				within(t, "the connection is stale", ended)
			}
		})
	}
}

// The worker reads a request on a connection that was used before, and closes
// it: what may be repeated is, what may not is not.
func TestConnectionLostWithARequest(t *testing.T) {
	for method, repeated := range map[string]bool{"GET": true, "PUT": true, "POST": false} {
		t.Run(method, func(t *testing.T) {
			var seen atomic.Int32
			s := newSetup(t, Options{}, serveConn(t, func(n int, c net.Conn, in *bufio.Reader) {
				for i := 0; ; i++ {
					if _, _, ok := readRequest(in); !ok {
						return
					}
					seen.Add(1)
					if n == 0 && i == 1 {
						return
					}
					say(c, okResponse)
				}
			}))
			s.want(t, request("GET", "/"), 200, "ok")
			w, err := s.do(t, inline(method, "/", "body"))
			if repeated {
				if err != nil || w.body.String() != "ok" || seen.Load() != 3 {
					t.Errorf("seen %d times, %v", seen.Load(), err)
				}
				return
			}
			var failed *gateway.WorkerError
			if !errors.As(err, &failed) || !failed.Died || failed.Unsent || seen.Load() != 2 {
				t.Errorf("seen %d times, %#v", seen.Load(), err)
			}
		})
	}
}

func TestRefusedConnectionGoesToAnotherWorker(t *testing.T) {
	refusing := listenAt(t, "tcp")
	refusing.Close()
	works := serveHTTP(t, "tcp", app())
	s := newSetup(t, Options{}, refusing.Addr(), works)
	for range 10 {
		s.want(t, inline("POST", "/echo", "x"), 200, "x")
	}
	s.Update(s.workers[:1])
	_, err := s.do(t, request("POST", "/echo"))
	var failed *gateway.WorkerError
	if !errors.As(err, &failed) || !failed.Died || !failed.Unsent || failed.Slot != 0 {
		t.Errorf("got %#v", err)
	}
}

func TestCancelledRequestClosesTheConnection(t *testing.T) {
	got, ended := make(chan struct{}, 1), make(chan error, 1)
	s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		_, _, _ = readRequest(in)
		got <- struct{}{}
		_, err := in.ReadByte()
		ended <- err
	}))
	for _, cause := range []error{gateway.ErrClientGone, gateway.ErrTimeout} {
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, request("GET", "/"), &recorder{}) }()
		within(t, "the worker has the request", got)
		cancel(cause)
		if err := within(t, "the worker hears of it", ended); err == nil {
			t.Error("the worker read something")
		}
		if err := within(t, "Serve returns", done); !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
}

type brokenBody struct{ err error }

func (b brokenBody) Read(p []byte) (int, error) { return 0, b.err }

func TestBrokenRequestBody(t *testing.T) {
	s := newSetup(t, Options{}, serveHTTP(t, "tcp", app()))
	bad := &gateway.BadRequest{Status: 400, Reason: "nonsense"}
	for _, length := range []int64{-1, 100} {
		r := request("POST", "/echo")
		r.Body = gateway.Body{Length: length, Stream: io.MultiReader(strings.NewReader("abc"), brokenBody{bad})}
		if _, err := s.do(t, r); !errors.Is(err, bad) {
			t.Errorf("length %d: %v", length, err)
		}
		r.Body.Stream = io.MultiReader(strings.NewReader("abc"), brokenBody{gateway.ErrClientGone})
		if _, err := s.do(t, r); !errors.Is(err, gateway.ErrClientGone) {
			t.Errorf("length %d: %v", length, err)
		}
	}
	r := request("POST", "/echo")
	r.Body = gateway.Body{Length: 5, Stream: strings.NewReader("abc")}
	if _, err := s.do(t, r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short body: %v", err)
	}
}

// A worker may answer before it has read the request's body, and go on.
func TestEarlyResponse(t *testing.T) {
	s := newSetup(t, Options{}, serveConn(t, func(n int, c net.Conn, in *bufio.Reader) {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
		}
		say(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_, _ = in.ReadByte()
	}))
	body, more := io.Pipe()
	go func() { // the client goes on until it is told that nobody reads
		for {
			if _, err := more.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}()
	defer body.Close()
	r := request("POST", "/")
	r.Body = gateway.Body{Length: 1 << 40, Stream: body}
	s.want(t, r, 413, "no")
	big := inline("POST", "/", strings.Repeat("x", 60_000))
	s.want(t, big, 413, "no")
}

// What a worker had sent before it was reaped is delivered; what it had not
// fails at once, even where a child of its holds the connection open.
func TestReapedWorker(t *testing.T) {
	got := make(chan struct{}, 10)
	s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		r, _, ok := readRequest(in)
		if !ok {
			return
		}
		if r.URL.Path == "/whole" {
			say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", 1000000))
		}
		got <- struct{}{}
		_, _ = in.ReadByte()
	}))
	for path, whole := range map[string]bool{"/whole": true, "/hang": false} {
		s.Update(s.workers)
		w, paused, resume := &recorder{}, make(chan struct{}), make(chan struct{})
		if whole {
			first := true
			w.onWrite = func(p []byte) error {
				if first {
					first = false
					close(paused)
					<-resume
				}
				w.body.Write(p)
				return nil
			}
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(context.Background(), request("POST", path), w) }()
		if whole {
			within(t, "the answer has begun", paused)
		} else {
			within(t, "the worker has the request", got)
		}
		s.Update(nil)
		close(resume)
		began := time.Now()
		err := within(t, "Serve returns", done)
		var failed *gateway.WorkerError
		switch {
		case whole && (err != nil || w.body.Len() != 1000000):
			t.Errorf("%d bytes, %v", w.body.Len(), err)
		case !whole && (!errors.As(err, &failed) || !failed.Died || failed.Unsent || time.Since(began) > 2*time.Second):
			t.Errorf("after %v: %#v", time.Since(began), err)
		}
		if whole {
			within(t, "the worker has sent it", got)
		}
		s.workers[0].PID++
	}
}

// A request that took too long keeps its place in its worker, but not in the
// one that comes after it.
func TestHungWorkerIsHeld(t *testing.T) {
	board, err := scoreboard.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() }) // behind the backend
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	hangs := serveConn(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		if _, err := in.ReadByte(); err == nil {
			cancel(gateway.ErrTimeout) // it has the request by now
		}
		_, _ = io.Copy(io.Discard, in)
	})
	s := newSetup(t, Options{Board: board, HoldHung: true}, hangs)
	s.workers[0].Capacity = 1
	s.Update(s.workers)
	if err := s.Serve(ctx, request("GET", "/"), &recorder{}); !errors.Is(err, gateway.ErrTimeout) {
		t.Fatal(err)
	}
	slot := board.Slot(0)
	if s.Pool.InFlight(0) != 1 || slot.InFlight.Load() != 1 || slot.RequestStart.Load() == 0 {
		t.Errorf("%d held, %d in flight, oldest began at %d", s.Pool.InFlight(0), slot.InFlight.Load(), slot.RequestStart.Load())
	}
	works := serveHTTP(t, "tcp", app())
	s.workers[0].PID, s.workers[0].Address = 2000, works.String()
	s.Update(s.workers)
	for range 3 {
		s.want(t, request("GET", "/hello"), 200, "hello")
	}
	if n := s.Pool.InFlight(0); n != 0 {
		t.Errorf("%d held by the new one", n)
	}
}

// A dying process still takes connections: the replay is for another worker.
func TestReplayGoesToAnotherWorker(t *testing.T) {
	dying := serveConn(t, func(_ int, _ net.Conn, in *bufio.Reader) { _, _, _ = readRequest(in) })
	healthy := serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		for {
			if _, _, ok := readRequest(in); !ok {
				return
			}
			say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	s := newSetup(t, Options{}, dying, healthy)
	for range 10 {
		r := request("GET", "/")
		r.WorkerPID = s.workers[0].PID
		s.want(t, r, 200, "ok")
	}
}
