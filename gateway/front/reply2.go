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
	w        http.ResponseWriter
	control  *http.ResponseController
	s        *http1.Server
	patience patience
	head     bool // answers HEAD

	status    int  // of the head; 0 before it
	committed bool // the head has gone to the library and cannot be taken back
	ended     bool
	bodyless  bool
	length    int64
	sent      int64
	err       error // the client is gone
}

func newReply2(w http.ResponseWriter, control *http.ResponseController, head bool, s *http1.Server) *reply2 {
	r := &reply2{w: w, control: control, head: head, s: s}
	r.patience.set(s.WriteTimeout, control.SetWriteDeadline)
	return r
}

// Started implements gateway.Reply.
func (r *reply2) Started() bool { return r.committed }

// Interim implements gateway.Reply.
func (r *reply2) Interim(status int, fields []gateway.Field) error {
	if r.err != nil || r.status != 0 || status < 102 || status > 199 {
		return r.err
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	r.set(fields)
	r.w.WriteHeader(status)
	clear(r.w.Header())
	return nil
}

// set takes over the fields that are not a connection's.
func (r *reply2) set(fields []gateway.Field) {
	h := r.w.Header()
	for _, f := range fields {
		if http1.HopByHop(f.Name) || strings.EqualFold(f.Name, "content-length") || nominated(fields, f.Name) {
			continue
		}
		name := http.CanonicalHeaderKey(f.Name)
		h[name] = append(h[name], f.Value)
	}
}

// nominated reports whether Connection names a field (RFC 9110, 7.6.1).
func nominated(fields []gateway.Field, name string) bool {
	for _, f := range fields {
		if len(f.Name) != len("connection") || !strings.EqualFold(f.Name, "connection") {
			continue
		}
		for option := range strings.SplitSeq(f.Value, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

// Head implements gateway.Reply.
func (r *reply2) Head(status int, _ string, fields []gateway.Field, length int64) error {
	switch {
	case r.status != 0:
		return &gateway.BadResponse{Reason: "a second head"}
	case status < 200:
		return &gateway.BadResponse{Reason: "invalid status"}
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	r.status, r.length = status, length
	r.bodyless = r.head || status == http.StatusNoContent || status == http.StatusNotModified
	r.set(fields)
	h := r.w.Header()
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the library would guess one
	}
	if _, ok := h["Server"]; !ok && r.s.Name != "" {
		h["Server"] = []string{r.s.Name}
	}
	if length >= 0 && !r.bodyless || length > 0 && r.head && status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	return nil
}

func (r *reply2) commit() {
	if !r.committed {
		r.committed = true
		r.w.WriteHeader(r.status)
	}
}

// Write implements gateway.Reply.
func (r *reply2) Write(p []byte) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.status == 0 || r.ended:
		return 0, &gateway.BadResponse{Reason: "a body without a head"}
	case r.bodyless || len(p) == 0:
		return len(p), nil
	case r.length >= 0 && r.sent+int64(len(p)) > r.length:
		r.length = -2 // cannot be ended any more
		return 0, &gateway.BadResponse{Reason: "body longer than its Content-Length"}
	}
	r.sent += int64(len(p))
	r.commit()
	r.patience.begin()
	_, err := r.w.Write(p)
	r.patience.end()
	if err != nil {
		return 0, r.lost()
	}
	return len(p), nil
}

// WriteFile implements gateway.Reply.
func (r *reply2) WriteFile(f *os.File, off, n int64) error {
	sent, err := io.Copy(struct{ io.Writer }{r}, io.NewSectionReader(f, off, n))
	if err == nil && sent < n {
		return &gateway.BadResponse{Reason: "file shorter than said"}
	}
	return err
}

// Flush implements gateway.Reply.
func (r *reply2) Flush() error {
	if r.err != nil || r.status == 0 {
		return r.err
	}
	r.commit()
	r.patience.begin()
	err := r.control.Flush()
	r.patience.end()
	if err != nil {
		return r.lost()
	}
	return nil
}

func (r *reply2) lost() error {
	r.err = gateway.ErrClientGone
	return r.err
}

// End implements gateway.Reply.
func (r *reply2) End(trailers []gateway.Field) error {
	switch {
	case r.err != nil || r.ended:
		return r.err
	case r.status == 0:
		return &gateway.BadResponse{Reason: "an end without a head"}
	case !r.bodyless && r.length != -1 && r.sent != r.length:
		return &gateway.BadResponse{Reason: "body is not as long as its Content-Length"}
	}
	r.commit()
	for _, f := range trailers {
		if http1.TrailerAllowed(f) {
			r.w.Header().Add(http.TrailerPrefix+http.CanonicalHeaderKey(f.Name), f.Value)
		}
	}
	r.ended = true
	if t := r.s.WriteTimeout; t > 0 && r.sent > 0 {
		_ = r.control.SetWriteDeadline(time.Now().Add(t)) // for what the library still holds; it stops with the stream
	}
	return nil
}

// Upgrade implements gateway.Reply. HTTP/2 has none (RFC 9113, 8.6).
func (r *reply2) Upgrade(int, []gateway.Field) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// finish answers for a handler that has not, and cuts off what it has begun
// and not ended: it does not return then.
func (r *reply2) finish() {
	if r.ended {
		return
	}
	if r.committed || r.err != nil {
		panic(http.ErrAbortHandler) // resets the stream
	}
	clear(r.w.Header())
	r.status = 0
	if r.Head(http.StatusInternalServerError, "", nil, 0) != nil || r.End(nil) != nil {
		panic(http.ErrAbortHandler)
	}
}
