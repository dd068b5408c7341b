package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

func addReplayed(f *testing.F) {
	for _, file := range []string{"good.txt", "bad.txt"} {
		for _, c := range readReplayed(f, file) {
			if len(c.request) < 4<<10 {
				f.Add([]byte(c.request))
			}
		}
	}
}

// FuzzRoundTrip has accepted heads written for a worker and parsed again: the
// same must come out.
func FuzzRoundTrip(f *testing.F) {
	addReplayed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h http1.RequestHead
		n, err := h.Parse(bytes.Clone(raw), &http1.Rules{}, false)
		var bad *gateway.BadRequest
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("%T: %v", err, err)
		}
		if err != nil || n == 0 {
			return
		}
		r := &gateway.Request{Method: h.Method, Target: h.Target, Host: h.Host, Upgrade: h.Upgrade, Body: gateway.Body{Length: h.Length}}
		out, err := http1.AppendRequestHead(nil, r, h.Fields)
		if err != nil {
			t.Fatalf("accepted, but cannot be sent on: %v", err)
		}
		var g http1.RequestHead
		if n, err = g.Parse(bytes.Clone(out), &http1.Rules{Limits: http1.Limits{Fields: 200}}, false); err != nil || n != len(out) {
			if h.Host == "" {
				return // HTTP/1.0 without Host
			}
			t.Fatalf("%q: %d of %d bytes, %v", out, n, len(out), err)
		}
		if g.Method != h.Method || g.Target != h.Target || g.Host != h.Host || g.Length != h.Length || g.Upgrade != h.Upgrade {
			t.Fatalf("%+v became %+v", h, g)
		}
		again, err := http1.AppendRequestHead(nil, r, g.Fields)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q became %q, %v", out, again, err)
		}
		for _, hop := range []string{"transfer-encoding", "te", "keep-alive", "proxy-connection", "trailer", "expect"} {
			if hop == "transfer-encoding" && h.Length < 0 {
				continue
			}
			if slices.ContainsFunc(g.Fields, func(f gateway.Field) bool { return f.Name == hop }) {
				t.Fatalf("%q has %s", out, hop)
			}
		}
	})
}

// FuzzDifferential sends bytes to a server whose handler writes what it gets
// for a worker: what net/http reads there must be what the handler saw, request
// by request, with nothing left over.
func FuzzDifferential(f *testing.F) {
	addReplayed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
			body, err := gatewaytest.BodyOf(r)
			if err != nil {
				gatewaytest.Say(w, 400, "")
				return
			}
			compare(t, r, bytes.Clone(body))
			gatewaytest.Say(w, 200, "")
		}))
		s.Log = slog.New(slog.DiscardHandler)
		near := &memory{in: bytes.NewReader(raw)}
		s.ServeConn(t.Context(), http1.Conn{Conn: near, Scheme: "http"})
		for rest := bufio.NewReader(&near.out); ; {
			if _, err := rest.Peek(1); err != nil {
				return
			}
			q, err := http.ReadResponse(rest, nil)
			if err != nil {
				return // of HEAD, without its body
			}
			if q.StatusCode == 500 {
				t.Fatalf("%q: a handler has failed", raw)
			}
			_, _ = io.Copy(io.Discard, q.Body)
		}
	})
}

// compare has net/http read what a worker would get.
func compare(t *testing.T, r *gateway.Request, body []byte) {
	out, err := http1.AppendRequestHead(nil, r, r.Header)
	if err != nil {
		t.Errorf("accepted, but cannot be sent on: %v", err)
		return
	}
	if r.Body.Length < 0 {
		out = http1.AppendLastChunk(http1.AppendChunk(out, body), nil)
	} else {
		out = append(out, body...)
	}
	in := bufio.NewReader(bytes.NewReader(out))
	q, err := http.ReadRequest(in)
	if err != nil {
		return // net/http takes targets for URLs, and refuses some
	}
	got, err := io.ReadAll(q.Body)
	if err != nil {
		t.Errorf("the worker cannot read the body of %q: %v", out, err)
	}
	host := q.Host
	if q.URL.Host != "" && r.Method != "CONNECT" {
		t.Errorf("%q: the worker takes %q for the host", out, q.URL.Host)
	}
	if q.Method != r.Method || q.RequestURI != r.Target || host != r.Host || !bytes.Equal(got, body) {
		t.Errorf("%q: %s %s of %s, %q, became %s %s of %s, %q", out, r.Method, r.Target, r.Host, body, q.Method, q.RequestURI, host, got)
	}
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("%q: the worker takes %q for another request", out, rest)
	}
}

// memory is a connection whose client has sent all already.
type memory struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
