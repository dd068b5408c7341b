package front

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// reply2 is the response to one HTTP/2 request. It implements gateway.Reply.
type reply2 struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for the client to take something
	head    bool          // answers HEAD

	headed, flushed, ended bool
	bodyless               bool
	length, sent           int64
}

// Started implements gateway.Reply.
func (r *reply2) Started() bool { return r.flushed }

// Interim implements gateway.Reply.
func (r *reply2) Interim(status int, fields []gateway.Field) error {
	if r.headed || status < 103 || status > 199 {
		return nil
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	r.set(fields)
	r.w.WriteHeader(status)
	clear(r.w.Header())
	return nil
}

func (r *reply2) set(fields []gateway.Field) {
	h := r.w.Header()
	for _, f := range fields {
		if http1.HopByHop(f.Name) || strings.EqualFold(f.Name, "content-length") {
			continue
		}
		name := http.CanonicalHeaderKey(f.Name)
		h[name] = append(h[name], f.Value)
	}
}

// Head implements gateway.Reply.
func (r *reply2) Head(status int, _ string, fields []gateway.Field, length int64) error {
	if r.headed {
		return &gateway.BadResponse{Reason: "a second head"}
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	r.headed, r.length = true, length
	r.bodyless = r.head || status == http.StatusNoContent || status == http.StatusNotModified
	r.set(fields)
	if length >= 0 && status != http.StatusNoContent {
		r.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	r.w.WriteHeader(status)
	return nil
}

// Write implements gateway.Reply.
func (r *reply2) Write(p []byte) (int, error) {
	if !r.headed {
		return 0, &gateway.BadResponse{Reason: "a body without a head"}
	}
	if r.bodyless {
		return len(p), nil
	}
	if r.sent += int64(len(p)); r.length >= 0 && r.sent > r.length {
		return 0, &gateway.BadResponse{Reason: "body longer than its Content-Length"}
	}
	r.flushed = true
	if r.timeout > 0 {
		_ = r.control.SetWriteDeadline(time.Now().Add(r.timeout)) // the write fails too
	}
	if _, err := r.w.Write(p); err != nil {
		return 0, gateway.ErrClientGone
	}
	return len(p), nil
}

// WriteFile implements gateway.Reply.
func (r *reply2) WriteFile(f *os.File, off, n int64) error {
	sent, err := io.Copy(struct{ io.Writer }{r}, io.NewSectionReader(f, off, n))
	if err == nil && sent < n {
		return io.ErrUnexpectedEOF // the file has become shorter
	}
	return err
}

// Flush implements gateway.Reply.
func (r *reply2) Flush() error {
	if !r.headed {
		return nil
	}
	r.flushed = true
	if r.control.Flush() != nil {
		return gateway.ErrClientGone
	}
	return nil
}

// End implements gateway.Reply.
func (r *reply2) End(trailers []gateway.Field) error {
	switch {
	case !r.headed:
		return &gateway.BadResponse{Reason: "an end without a head"}
	case !r.bodyless && r.length >= 0 && r.sent < r.length:
		return &gateway.BadResponse{Reason: "body shorter than its Content-Length"}
	}
	for _, f := range trailers {
		if http1.TrailerAllowed(f) {
			r.w.Header().Add(http.TrailerPrefix+http.CanonicalHeaderKey(f.Name), f.Value)
		}
	}
	r.ended, r.flushed = true, true
	return nil
}

// Upgrade implements gateway.Reply. HTTP/2 has none (RFC 9113, 8.6).
func (r *reply2) Upgrade(int, []gateway.Field) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
