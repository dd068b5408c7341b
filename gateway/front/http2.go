package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"golang.org/x/net/http2"
)

// setUpHTTP2 prepares the library's server.
func (f *Front) setUpHTTP2() error {
	s := f.o.HTTP1
	f.base = &http.Server{
		IdleTimeout: s.KeepAlive, MaxHeaderBytes: f.o.HeaderList,
		ErrorLog: slog.NewLogLogger(f.o.Log.Handler(), slog.LevelDebug),
	}
	if f.base.IdleTimeout <= 0 {
		f.base.IdleTimeout = time.Second
	}
	f.http2 = &http2.Server{
		MaxConcurrentStreams: uint32(f.o.Streams), MaxReadFrameSize: uint32(f.o.Frame),
		IdleTimeout: f.base.IdleTimeout, WriteByteTimeout: s.WriteTimeout,
		MaxUploadBufferPerStream: int32(f.o.Window), MaxUploadBufferPerConnection: int32(max(1<<20, f.o.Window)),
	}
	if err := http2.ConfigureServer(f.base, f.http2); err != nil {
		return fmt.Errorf("set up HTTP/2: %w", err)
	}
	return nil
}

// serveHTTP2 serves a connection; preface says that the client's was read.
func (f *Front) serveHTTP2(c http1.Conn, preface bool) {
	f.http2.ServeConn(c.Conn, &http2.ServeConnOpts{
		Context: f.ctx, BaseConfig: f.base, SawClientPreface: preface,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { f.stream(c, w, q) }),
	})
}

// sniffHTTP2 reports whether a connection begins with HTTP/2's preface, which
// it takes off (RFC 9113, 3.4).
func sniffHTTP2(c *http1.Conn) bool {
	var got [len(http2.ClientPreface)]byte
	n := 0
	for n < len(got) {
		m, err := c.Conn.Read(got[n:])
		n += m
		if string(got[:n]) != http2.ClientPreface[:n] || err != nil {
			c.Conn = &prefixed{Conn: c.Conn, first: got[:n:n]}
			return false
		}
	}
	return true
}

// stream serves one request.
func (f *Front) stream(c http1.Conn, w http.ResponseWriter, q *http.Request) {
	ctx, cancel := context.WithCancelCause(q.Context())
	stop := context.AfterFunc(q.Context(), func() { cancel(gateway.ErrClientGone) })
	defer stop()
	defer cancel(nil)
	r := f.request(c, q)
	reply := &reply2{w: w, control: http.NewResponseController(w), head: q.Method == http.MethodHead, timeout: f.o.HTTP1.WriteTimeout}
	body := &body2{in: q.Body, control: reply.control, timeout: f.o.HTTP1.BodyTimeout, most: f.o.HTTP1.MaxBody}
	if q.ContentLength != 0 {
		r.Body.Stream = body
	}
	r.Body.Trailers = func() []gateway.Field { return fields(nil, q.Trailer) }
	if bad := f.check(r, q); bad != nil {
		f.o.HTTP1.Handler.Refuse(r, bad, reply)
	} else {
		f.o.HTTP1.Handler.Serve(ctx, r, reply)
	}
	if !reply.ended {
		panic(http.ErrAbortHandler) // resets the stream
	}
}

// request turns the library's request into the gateway's.
func (f *Front) request(c http1.Conn, q *http.Request) *gateway.Request {
	path, query, _ := strings.Cut(q.RequestURI, "?")
	r := &gateway.Request{
		Number: f.o.HTTP1.NextNumber(), Method: q.Method, Target: q.RequestURI, Path: path, Query: query,
		Host: q.Host, Scheme: c.Scheme, Major: 2, Remote: c.Remote, Local: c.Local, LocalUnix: c.LocalUnix,
		TLS: c.TLS, Received: time.Now(), Body: gateway.Body{Length: q.ContentLength},
	}
	if q.Host != "" && q.Header.Get("Host") == "" {
		r.Header = append(r.Header, gateway.Field{Name: "host", Value: q.Host})
	}
	r.Header = fields(r.Header, q.Header)
	return r
}

// fields flattens a header, in an order that does not change.
func fields(to []gateway.Field, h http.Header) []gateway.Field {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			to = append(to, gateway.Field{Name: strings.ToLower(name), Value: value})
		}
	}
	return to
}

// check holds an HTTP/2 request to the rules of HTTP/1's.
func (f *Front) check(r *gateway.Request, q *http.Request) *gateway.BadRequest {
	if s := f.o.HTTP1; s.MaxBody > 0 && q.ContentLength > s.MaxBody {
		return &gateway.BadRequest{Status: 413, Reason: "request body too large"}
	}
	if host := q.Header.Get("Host"); host != "" && host != q.Host {
		return &gateway.BadRequest{Status: 400, Reason: "Host and :authority differ"}
	}
	if r.Method == http.MethodConnect {
		return &gateway.BadRequest{Status: 405, Reason: "CONNECT"}
	}
	kept, err := f.o.HTTP1.CheckFields(r.Method, r.Target, r.Host, r.Header, r.Remote.Addr(), r.LocalUnix != "")
	r.Header = kept
	var bad *gateway.BadRequest
	if errors.As(err, &bad) {
		return bad
	}
	return nil
}

// body2 is the body of an HTTP/2 request, with its errors as the gateway's.
type body2 struct {
	in      io.Reader
	control *http.ResponseController
	timeout time.Duration
	most    int64
	read    int64
}

// Read implements io.Reader.
func (b *body2) Read(p []byte) (int, error) {
	if b.timeout > 0 {
		_ = b.control.SetReadDeadline(time.Now().Add(b.timeout)) // the read fails too
	}
	n, err := b.in.Read(p)
	b.read += int64(n)
	switch {
	case b.most > 0 && b.read > b.most:
		return 0, &gateway.BadRequest{Status: 413, Reason: "request body too large"}
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &gateway.BadRequest{Status: 408, Reason: "the body took too long"}
	}
	return n, gateway.ErrClientGone
}
