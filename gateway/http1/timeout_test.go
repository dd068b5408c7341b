package http1_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

const short = 50 * time.Millisecond

// trickle sends text again and again until the server has enough of it.
func (c *client) trickle(text string) {
	c.t.Helper()
	done := make(chan struct{})
	c.t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		pace := time.NewTicker(short / 10)
		defer pace.Stop()
		for range pace.C {
			if _, err := io.WriteString(c.TCPConn, text); err != nil {
				return
			}
		}
	}()
}

func TestSlowHeadIsEndedHoweverItTrickles(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.HeaderTimeout = short
	v := start(t, s)
	c := v.dial(t).send("GET / HTTP/1.1\r\nX: ")
	c.trickle("y")
	c.want(408, "GET /: the head took too long")
	c = v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGE") // also of a second request
	c.want(200, "GET / a")
	c.want(408, ": the head took too long")
	c.wantEnd()
}

func TestConnectionsThatSayNothingAreClosedSilently(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.HeaderTimeout, s.KeepAlive = short, short
	v := start(t, s)
	v.dial(t).wantEnd()
	c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want(200, "GET / a")
	c.wantEnd()
}

func TestKeepAliveOf0ClosesAfterEachResponse(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.KeepAlive = 0
	c := start(t, s).dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if q := c.want(200, "GET / a"); !q.Close {
		t.Error("the client is not told")
	}
	c.wantEnd()
}

func TestNoTimeOutsAtAll(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.HeaderTimeout, s.BodyTimeout, s.WriteTimeout = 0, 0, 0
	v := start(t, s)
	c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n")
	c.send("\r\n").send("h").send("i")
	c.want(200, "POST / a hi")
	c.send("G").send("ET / HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET / a")
}

func TestSlowBody(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.BodyTimeout = short
	v := start(t, s)
	c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhi")
	c.want(408, "the body took too long")
	c.wantEnd()

	// One that goes on is not cut off, although it takes longer in all.
	c = v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n")
	c.trickle("x")
	c.want(200, "POST / a "+strings.Repeat("x", 30))
}

// endless answers with as much as the client takes, and tells the error that
// ends it.
func endless(ended chan<- error) app {
	part := []byte(strings.Repeat("x", 64<<10))
	return func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		err := w.Head(200, "", nil, -1)
		for err == nil {
			_, err = w.Write(part)
		}
		ended <- err
	}
}

func TestReaderThatTakesNothingIsGone(t *testing.T) {
	ended := make(chan error, 1)
	s := gatewaytest.Lasting(endless(ended))
	s.WriteTimeout = short
	start(t, s).dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := gatewaytest.Wait(t, "handler", ended); !errors.Is(err, gateway.ErrClientGone) {
		t.Errorf("got %v", err)
	}
}

// TestReaderThatIsSlowIsNotGone has one write take many times WriteTimeout: on
// a unix socket, which makes room as soon as something is read.
func TestReaderThatIsSlowIsNotGone(t *testing.T) {
	const size = 512 << 10
	for _, how := range []string{"one write", "file"} {
		t.Run(how, func(t *testing.T) {
			f := fileOf(t, strings.Repeat("x", size))
			s := gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
				if how == "one write" {
					gatewaytest.Say(w, 200, strings.Repeat("x", size))
					return
				}
				_ = w.Head(200, "", nil, size)
				_ = w.WriteFile(f, 0, size)
				_ = w.End(nil)
			}))
			s.WriteTimeout = 4 * short
			near, far := unixPair(t)
			if err := near.SetWriteBuffer(16 << 10); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() { s.ServeConn(context.Background(), http1.Conn{Conn: near, Scheme: "http"}); close(done) }()
			begun := time.Now()
			if _, err := io.WriteString(far, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			got, pace, part := 0, time.NewTicker(short/4), make([]byte, 8<<10)
			defer pace.Stop()
			for {
				n, err := far.Read(part)
				got += n
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				<-pace.C
			}
			gatewaytest.Wait(t, "connection", done)
			if got < size {
				t.Errorf("cut off after %d bytes and %v", got, time.Since(begun))
			}
			if d := time.Since(begun); d < 2*s.WriteTimeout {
				t.Errorf("no slow reader at all: %v", d)
			}
		})
	}
}

// unixPair is a connection over a unix socket, both ends.
func unixPair(t *testing.T) (near, far *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = a.(*net.UnixConn), b.(*net.UnixConn)
	t.Cleanup(func() { near.Close(); far.Close() })
	if err := far.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// waitOrGone answers with what ends its waiting.
func waitOrGone(began chan<- struct{}, d time.Duration) app {
	return func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		if _, err := gatewaytest.BodyOf(r); err != nil {
			return
		}
		began <- struct{}{}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			began <- struct{}{}
			gatewaytest.Say(w, 500, context.Cause(ctx).Error())
		case <-timer.C:
			gatewaytest.Say(w, 200, r.Target)
		}
	}
}

func TestClientGoneEndsTheContext(t *testing.T) {
	for name, request := range map[string]string{
		"no body":     "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"inline body": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
		"stream":      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	} {
		for _, how := range []string{"reset", "closed", "half-closed, then closed"} {
			t.Run(name+" "+how, func(t *testing.T) {
				began := make(chan struct{}, 2)
				c := start(t, gatewaytest.Lasting(waitOrGone(began, testTimeout))).dial(t).send(request)
				gatewaytest.Wait(t, "request", began)
				switch how {
				case "reset":
					c.Close()
				case "closed":
					_ = c.SetLinger(-1)
					c.Close()
				default:
					_ = c.CloseWrite()
					c.Close()
				}
				gatewaytest.Wait(t, "end of the context", began)
			})
		}
	}
}

func TestClientThatPipelinesIsNotGone(t *testing.T) {
	began := make(chan struct{}, 4)
	c := start(t, gatewaytest.Lasting(waitOrGone(began, 3*short))).dial(t).send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
	gatewaytest.Wait(t, "request", began)
	c.send("GET /2 HTTP/1.1\r\n").send("Host: a\r\n\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.want(200, "/1")
	if q := c.want(200, "/2"); !q.Close {
		t.Error("the connection goes on behind the last request")
	}
}

// TestInlineBodySurvivesTheWatcher has the next request come while the body of
// this one is still looked at.
func TestInlineBodySurvivesTheWatcher(t *testing.T) {
	const body = "this body stays where it is"
	arrived, read := make(chan struct{}), make(chan struct{}, 2)
	v := listen(t, gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		if r.Method == "POST" {
			arrived <- struct{}{}
			<-read // the watcher has read the next request
		}
		gatewaytest.Say(w, 200, string(r.Body.Inline))
	})))
	c := v.dial(t)
	err := v.accept(func(c net.Conn) net.Conn { return &telling{Conn: c, read: read} })
	if err != nil {
		t.Fatal(err)
	}
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n" + body)
	gatewaytest.Wait(t, "request", arrived)
	c.send("GET /" + strings.Repeat("y", 1000) + " HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want(200, body)
	c.want(200, "")
}

// telling is a connection that tells when much has been read.
type telling struct {
	net.Conn
	read chan<- struct{}
}

// Read implements net.Conn.
func (c *telling) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 1000 {
		c.read <- struct{}{}
	}
	return n, err
}

// rekeyed answers a change of keys whenever it is read from, as crypto/tls does.
type rekeyed struct{ net.Conn }

func (c rekeyed) Read(p []byte) (int, error) {
	if _, err := c.Write([]byte("new keys")); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// A client that changes keys and reads nothing is given up, although no response has
// been written to it yet.
func TestUnreadChangesOfKeysEnd(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.HeaderTimeout, s.WriteTimeout = short, short
	theirs, ours := net.Pipe() // a write waits until it is read
	defer theirs.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.ServeConn(t.Context(), http1.Conn{Conn: rekeyed{ours}, Scheme: "https", TLS: &tls.ConnectionState{}})
	}()
	gatewaytest.Wait(t, "the connection's end", ended)
}
