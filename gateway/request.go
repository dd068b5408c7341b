// Package gateway is HTTP in front of the workers: fronts turn bytes from
// clients into Requests, a Backend carries each to a worker, and the worker's
// answer goes back through a Reply. Neither side knows the other's protocol.
// None of the types are net/http's.
package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// Field is one header or trailer field. Fields from clients are in the order
// received and have lower-case names. Their values have no surrounding white space,
// and no control characters except tab.
type Field struct{ Name, Value string }

// Request is one request as a front accepted it: checked against RFC 9112 or
// 9113 and the configured limits, its body bounded.
type Request struct {
	ID        string // X-Request-ID, made or passed on
	Number    uint64 // counts requests of this gateway, from 1
	Method    string
	Target    string // as received: origin-form, or authority-form for CONNECT
	Path      string // of Target before '?', still percent-encoded
	Query     string // of Target after '?'
	Host      string // Host or :authority
	Scheme    string // http or https, after trusted forwarding headers
	Major     int    // HTTP version of the client's connection
	Minor     int
	Header    []Field
	Body      Body
	Upgrade   string         // lower-case protocol to upgrade to, or empty
	Remote    netip.AddrPort // the client; zero on a unix socket
	Peer      Peer           // who is connected: the client or a proxy
	Client    Client         // the client as ASGI apps see it, once pipeline/forward has determined it
	Local     netip.AddrPort // the address that it connected to; zero on a unix socket
	LocalUnix string         // path of the unix socket it connected to, or empty
	TLS       *tls.ConnectionState
	Received  time.Time     // when the first byte of the request was read
	QueueWait time.Duration // how long it waited for a worker, for the logs
	WorkerPID int           // the last worker that had it, for the logs; set by the backend
	Slot      int           // that worker's slot on the scoreboard
	ASGI      bool          // that worker's app is an ASGI app, for the logs
	Before
}

// Before is what was done for a request before the loop handed it over.
type Before struct {
	Begun   Begun     // what the backend has done for it; nil if nothing
	Asked   time.Time // when the backend got it
	Resumed *Resumed  // what has been sent of the answer; nil if nothing
}

// Resumed is an answer that was sent in part: its head, and perhaps a part of its body.
type Resumed struct {
	Status int
	Fields []Field // those that the client got
	Length int64   // of the body in bytes, -1 if it is not known
	Sent   int64   // bytes of the body
	Plain  bool    // it is sent on without buffering
}

// Get returns the value of the first field called name (lower case), or "".
func (r *Request) Get(name string) string {
	for i := range r.Header {
		if r.Header[i].Name == name {
			return r.Header[i].Value
		}
	}
	return ""
}

// Body is a request body. At most one of Inline, File and Stream is set. Inline is small
// unless Memory is set.
type Body struct {
	Length   int64          // bytes; -1 if not known before the end, 0 if there is no body
	Inline   []byte         // the whole body; valid until the exchange ends
	Memory   *Memory        // has Inline, for processes that get a descriptor; nil if there is none
	Lent     bool           // a process may still read Memory
	File     *os.File       // the whole body from offset 0; the front closes it
	Stream   io.Reader      // the body as the client sends it (request_buffering off, or a large one before it was buffered)
	Trailers func() []Field // trailer fields once the body has ended; may be nil
}

// Memory is a file in memory that has a body from offset 0 on. Other processes can only
// read it. It is used again for other bodies.
type Memory struct {
	ID   uint64 // of the file; it is not used again
	File *os.File
}

// Reply takes a worker's answer to one request. Its methods are called from one
// goroutine at a time. An error that matches ErrClientGone means that the client is
// gone, and nothing more need be sent. A *BadResponse means that the answer is at
// fault.
type Reply interface {
	// Interim sends a 1xx response, such as 103 Early Hints. A front drops it if
	// its client cannot take one.
	Interim(status int, fields []Field) error
	// Head starts the final response. length is the body's length in bytes, or -1
	// if it is not known: the front then frames the body as its protocol can.
	// Hop-by-hop fields in fields are ignored.
	Head(status int, reason string, fields []Field, length int64) error
	// Write sends a part of the body. It does not keep p after it returns.
	Write(p []byte) (int, error)
	// WriteFile sends n bytes of f from off, with sendfile(2) if possible.
	WriteFile(f *os.File, off, n int64) error
	// Flush sends what is buffered.
	Flush() error
	// End completes the body; the trailers may be nil. A response that is not
	// ended is cut off, so that the client notices.
	End(trailers []Field) error
	// Upgrade sends the head of a 101 (or a 2xx to CONNECT) and hands the
	// connection over, or the stream over HTTP/2. Reads return what the client
	// sent after the request. The caller closes it.
	Upgrade(status int, fields []Field) (net.Conn, error)
	// Started reports whether any byte of a final response has gone out.
	Started() bool
}

// Handler answers requests. The context ends when the client goes away, with
// ErrClientGone as its cause. Fronts call the handler from the goroutine that owns
// the connection or the stream.
type Handler interface {
	// Serve answers r before it returns; a response that it has not ended is
	// cut off. Afterwards r, with everything in it, belongs to the front again.
	Serve(ctx context.Context, r *Request, w Reply)
	// Refuse answers a request that the front could not accept. r contains what
	// was understood of it.
	Refuse(r *Request, why *BadRequest, w Reply)
}
