package workers

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// answer is the http.ResponseWriter that the app gets. If the worker is draining
// when the head is written, it adds "Connection: close".
//
// It has the methods of net/http's own writer for HTTP/1, so that an app can
// flush, hijack and send files as usual. Everything else is reached through
// Unwrap (http.ResponseController).
type answer struct {
	http.ResponseWriter
	draining *atomic.Bool
	request  *Request
	begun    bool
}

func (a *answer) begin() { a.beginWith(http.StatusOK) }

func (a *answer) beginWith(status int) {
	if a.begun {
		return
	}
	a.begun = true
	a.request.Answered(status)
	if a.draining.Load() {
		a.Header().Set("Connection", "close")
	}
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if code >= http.StatusOK { // not 101, which has "Connection: upgrade"
		a.beginWith(code)
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (a *answer) WriteString(s string) (int, error) {
	a.begin()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom: it keeps sendfile(2) for files.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return io.Copy(a.ResponseWriter, r)
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() } // Flush cannot return an error

// FlushError is Flush for an http.ResponseController.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Unwrap is for an http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
