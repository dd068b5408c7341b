package front

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// stream serves one HTTP/2 request.
func (f *Front) stream(c http1.Conn, w http.ResponseWriter, q *http.Request) {
	// The library's context ends for a reason of its own.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(q.Context()))
	stop := context.AfterFunc(q.Context(), func() { cancel(gateway.ErrClientGone) })
	defer cancel(nil)
	defer stop()
	control := http.NewResponseController(w)
	reply := newReply2(w, control, q.Method == http.MethodHead, f.o.HTTP1)
	r := f.request(c, q)
	if q.ContentLength != 0 {
		b := &body2{in: q.Body, q: q, s: f.o.HTTP1}
		b.patience.set(f.o.HTTP1.BodyTimeout, control.SetReadDeadline)
		r.Body.Stream, r.Body.Trailers = b, b.trailers
	}
	why := f.check(r, q)
	if why == nil {
		why = f.checkEmpty(q, control)
	}
	f.handle(ctx, r, why, reply)
	reply.finish()
}

// handle calls the handler, which cannot take the process with it.
func (f *Front) handle(ctx context.Context, r *gateway.Request, bad *gateway.BadRequest, w *reply2) {
	defer func() {
		if p := recover(); p != nil {
			f.o.Log.Error("a handler panics", "panic", p, "request", r.ID, "stack", string(debug.Stack()))
		}
	}()
	if bad != nil {
		f.o.HTTP1.Handler.Refuse(r, bad, w)
		return
	}
	f.o.HTTP1.Handler.Serve(ctx, r, w)
}

// request turns the library's request into the gateway's.
func (f *Front) request(c http1.Conn, q *http.Request) *gateway.Request {
	path, query, _ := strings.Cut(q.RequestURI, "?")
	r := &gateway.Request{
		Number: f.o.HTTP1.NextNumber(), Method: q.Method, Target: q.RequestURI, Path: path, Query: query,
		Host: q.Host, Scheme: c.Scheme, Major: 2, Remote: c.Remote, Local: c.Local, LocalUnix: c.LocalUnix, Peer: c.Peer,
		TLS: c.TLS, Received: time.Now(), Body: gateway.Body{Length: q.ContentLength},
	}
	if _, ok := q.Header["Host"]; !ok && q.Host != "" {
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

func bad(status int, reason string) *gateway.BadRequest {
	return &gateway.BadRequest{Status: status, Reason: reason}
}

// check holds a request to the rules and limits that HTTP/1's has. The library
// has refused what RFC 9113 forbids: pseudo fields that are missing, double or
// unknown, names in upper case, fields of a connection.
func (f *Front) check(r *gateway.Request, q *http.Request) *gateway.BadRequest {
	if r.Method == http.MethodConnect {
		return bad(http.StatusMethodNotAllowed, "CONNECT") // also for WebSocket (RFC 8441): browsers fall back to HTTP/1.1
	}
	if hosts := q.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && hosts[0] != q.Host {
		return bad(400, "Host differs from :authority")
	}
	if why := f.checkLength(q); why != nil {
		return why
	}
	if _, ok := q.Header["Expect"]; ok {
		return bad(417, "unknown expectation") // 100-continue has been taken off
	}
	for i := range r.Header {
		if v := r.Header[i].Value; v != strings.Trim(v, " \t") {
			return bad(400, "space around a header field's value") // RFC 9113, 8.2.1
		}
	}
	kept, err := f.o.HTTP1.CheckFields(r.Method, r.Target, r.Host, r.Header, r.Peer.Addr, r.Peer.Unix)
	r.Header = kept
	var why *gateway.BadRequest
	errors.As(err, &why)
	return why
}

// checkLength compares Content-Length with what there is of a body. The
// library counts only the body that follows.
func (f *Front) checkLength(q *http.Request) *gateway.BadRequest {
	lengths := q.Header["Content-Length"]
	switch {
	case len(lengths) > 1:
		return bad(400, "several Content-Length fields")
	case len(lengths) == 1 && !digits(lengths[0]):
		return bad(400, "invalid Content-Length")
	case len(lengths) == 1 && q.ContentLength == 0 && strings.Trim(lengths[0], "0") != "":
		return bad(400, "a Content-Length without a body")
	case f.o.HTTP1.MaxBody > 0 && q.ContentLength > f.o.HTTP1.MaxBody:
		return bad(413, "request body too large")
	}
	return nil
}

// checkEmpty waits for the end of a body that the head says is empty: the
// library serves the request before it knows. A body that comes nevertheless
// resets the stream.
func (f *Front) checkEmpty(q *http.Request, control *http.ResponseController) *gateway.BadRequest {
	if q.ContentLength != 0 || len(q.Header["Content-Length"]) == 0 {
		return nil
	}
	b := &body2{in: q.Body, q: q, s: f.o.HTTP1}
	b.patience.set(f.o.HTTP1.BodyTimeout, control.SetReadDeadline)
	_, err := b.Read(make([]byte, 1))
	var why *gateway.BadRequest
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &why):
		return why
	}
	return bad(400, "body longer than its Content-Length")
}

func digits(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}
