//go:build linux

package http2loop_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout bounds every wait of a test.
const testTimeout = gatewaytest.Timeout

// service speaks HTTP/2 without TLS.
type service struct {
	addr  string
	app   *gatewaytest.App
	front *accept.Server
}

// start begins a service; looped has common requests served by the loop.
func start(t *testing.T, way gatewaytest.Way, change func(*accept.Options)) *service {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	a := gatewaytest.NewApp(l)
	site := gatewaytest.New(t, l, a, forward.Options{})
	o := &site.Options
	o.HTTP2Cleartext, o.Streams, o.Window, o.Frame, o.HeaderList = true, 20, 65535, 16384, 65536
	if change != nil {
		change(o)
	}
	site.Way = way
	f, addr := site.Listen(t, func() {})
	return &service{addr: addr, app: a, front: f}
}

// client is an HTTP/2 connection that sends what it likes.
type client struct {
	t *testing.T
	net.Conn
	*http2.Framer
	head bytes.Buffer
	pack *hpack.Encoder
	next uint32
}

// dialPlain connects.
func (s *service) dialPlain(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTimeout))
	return conn
}

func (s *service) dial(t *testing.T, settings ...http2.Setting) *client {
	t.Helper()
	conn := s.dialPlain(t)
	c := &client{t: t, Conn: conn, Framer: http2.NewFramer(conn, conn), next: 1}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.pack = hpack.NewEncoder(&c.head)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c.do(c.WriteSettings(settings...))
	return c
}

func (c *client) do(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// send sends a request's head: names and values.
func (c *client) send(end bool, fields ...string) uint32 {
	c.t.Helper()
	id := c.next
	c.next += 2
	c.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.do(c.pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	c.do(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head.Bytes(), EndHeaders: true, EndStream: end}))
	return id
}

func ask(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, more...)
}

// outcome is all that comes of a stream, in one line.
func (c *client) outcome(id uint32) string {
	c.t.Helper()
	var all []string
	var body []byte
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return strings.Join(append(all, "closed"), " ")
		}
		end := false
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID != id {
				continue
			}
			var fields []string
			for _, field := range f.Fields {
				if field.Name != "date" && field.Name != "x-request-id" {
					fields = append(fields, field.Name+"="+field.Value)
				}
			}
			slices.Sort(fields)
			all = append(all, fields...)
			end = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID == id {
				body = append(body, f.Data()...)
				end = f.StreamEnded()
			}
			c.do(c.WriteWindowUpdate(0, max(1, f.Length)))
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return strings.Join(append(all, "reset "+f.ErrCode.String()), " ")
			}
		case *http2.GoAwayFrame:
			return strings.Join(append(all, "away "+f.ErrCode.String()), " ")
		}
		if end {
			text := strings.Split(string(body), "Request id:")[0] // of an error page: each has another
			return strings.Join(append(all, fmt.Sprintf("%d: %.500s", len(text), text)), " ")
		}
	}
}

// over is net/http's client of the service.
func (s *service) over(t *testing.T) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &p}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testTimeout}
}
