package http1

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/budget"
)

// Adds is what the server adds to the app's fields in a response.
type Adds struct {
	Name    string          // the Server field if the app sends none; empty for none
	Fields  []gateway.Field // added to every response
	Undated bool            // no Date field is added
}

// Server serves HTTP/1 connections. Its fields must not be changed once it serves a
// connection. A duration of 0 is no bound, except for KeepAlive.
type Server struct {
	Rules         Rules
	Handler       gateway.Handler
	HeaderTimeout time.Duration  // for a whole head, from its first byte
	BodyTimeout   time.Duration  // between two parts of a body
	WriteTimeout  time.Duration  // for a client to take any bytes
	KeepAlive     time.Duration  // until the next request starts; 0 closes after each
	Heads         *budget.Budget // for bytes of all heads beyond 4 KiB each; nil is no bound
	MaxBody       int64          // bytes of a request's body; 0 is no bound
	Adds          Adds           // to responses
	// Trusted reports whether a peer is a proxy that may send Rules.ForwarderHeaders.
	Trusted func(peer netip.Addr, unix bool) bool
	Log     *slog.Logger // nil is slog.Default

	state
}

// state is what a server keeps of its connections.
type state struct {
	blocks   blocks
	idle     atomic.Int64 // connections that wait for a request
	number   atomic.Uint64
	date     atomic.Pointer[date]
	draining atomic.Bool
	mu       sync.Mutex
	conns    map[*serverConn]struct{}
	empty    chan struct{} // closed when the last connection ends while draining
}

// Conn is one connection from a client.
type Conn struct {
	net.Conn
	Scheme    string         // http or https
	Remote    netip.AddrPort // zero on a unix socket
	Peer      gateway.Peer
	Local     netip.AddrPort // zero on a unix socket
	LocalUnix string         // path of the unix socket, or empty
	TLS       *tls.ConnectionState
	Ahead     []byte // what was already read from it

	// The first request to serve, if a loop has served the connection until now.
	Received time.Time // when its first byte was read; zero if that is still to come
	Begun    *Begun    // what was done for it; nil if nothing
	Served   bool      // it is not the connection's first request

	// Return takes the connection back when it waits for a request and the last one
	// was common. It may be nil. If it returns true, it has duplicated the connection,
	// and this one is closed here.
	Return func(c *Conn) bool
}

// Begun is a request that the backend already has.
type Begun struct {
	Number uint64
	ID     string
	Asked  time.Time     // when the backend got it
	With   gateway.Begun // gateway.Request's Begun

	// If the answer has begun, Resumed is what was sent of it; otherwise it is nil.
	Resumed   *gateway.Resumed
	QueueWait time.Duration
	Chunked   bool
	Last      bool
	Unsent    []byte // bytes of the answer that were framed and not sent
}

// Drop releases what was taken for a request that nobody continues with. b may be
// nil.
func (b *Begun) Drop() {
	if b != nil {
		b.With.Drop()
	}
}

// ServeConn serves the requests of one connection, one after another, and closes
// it. All requests get the same context, which ends when ctx ends or the client has
// gone. It reports whether Conn.Return has taken the connection back.
func (s *Server) ServeConn(ctx context.Context, c Conn) (returned bool) {
	x := newServerConn(s, c)
	s.add(x)
	defer s.remove(x)
	x.serve(ctx)
	return x.returned
}

func (s *Server) add(x *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[*serverConn]struct{}{}
	}
	s.conns[x] = struct{}{}
}

func (s *Server) remove(x *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, x)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Counts are the connections of a server.
type Counts struct {
	Open int // all connections
	Idle int // those that wait for a request; the others have one in flight
}

// Counts counts the connections.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Open: len(s.conns), Idle: int(s.idle.Load())}
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

// Drain lets every connection end after the request that it has in flight, or that
// comes within DrainIdle or DrainFirst. It waits for that until ctx ends. Then it closes what is
// left.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	s.mu.Lock()
	var empty chan struct{}
	if len(s.conns) > 0 {
		if s.empty == nil {
			s.empty = make(chan struct{})
		}
		empty = s.empty
	}
	for x := range s.conns {
		x.hurry()
	}
	s.mu.Unlock()
	if empty == nil {
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
		s.mu.Lock()
		for x := range s.conns {
			x.c.Close()
		}
		s.mu.Unlock()
	}
}

// date is the Date field of one second.
type date struct {
	second int64
	text   string
}

// OwnAt returns the server's own fields at a time.
func (s *Server) OwnAt(now time.Time) Own {
	return Own{More: s.Adds.Fields, Server: s.Adds.Name, Date: s.dateAt(now)}
}

// dateAt returns the Date field for a time, or "" if none is added.
func (s *Server) dateAt(now time.Time) string {
	if s.Adds.Undated {
		return ""
	}
	second := now.Unix()
	d := s.date.Load()
	if d == nil || d.second != second {
		d = &date{second, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")} // RFC 9110, 5.6.7
		s.date.Store(d)
	}
	return d.text
}
