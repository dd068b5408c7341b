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

// Adds is what responses have besides the app's fields.
type Adds struct {
	Name    string          // the Server field, where the app sends none; empty for none
	Fields  []gateway.Field // with every response
	Undated bool            // responses have no Date field but the app's
}

// Server serves HTTP/1 connections. Its fields are not changed once a
// connection is served. Durations of 0 are no bound, but for KeepAlive.
type Server struct {
	Rules         Rules
	Handler       gateway.Handler
	HeaderTimeout time.Duration  // for a whole head, from its first byte
	BodyTimeout   time.Duration  // between two parts of a body
	WriteTimeout  time.Duration  // for a client to take anything
	KeepAlive     time.Duration  // for the next request to begin; 0 closes after each
	Heads         *budget.Budget // of bytes of heads beyond 4 KiB each; nil is no bound
	MaxBody       int64          // bytes of a request's body; 0 is no bound
	Adds          Adds           // to responses
	// Trusted tells the proxies that may send Rules.ForwarderHeaders.
	Trusted func(peer netip.Addr, unix bool) bool
	Log     *slog.Logger // nil is slog.Default

	blocks   blocks
	idle     atomic.Int64 // connections that wait for a request
	number   atomic.Uint64
	date     atomic.Pointer[date]
	draining atomic.Bool

	mu    sync.Mutex
	conns map[*serverConn]struct{}
	empty chan struct{} // closed when the last connection ends while draining
}

// Conn is one connection from a client.
type Conn struct {
	net.Conn
	Scheme    string         // http or https
	Remote    netip.AddrPort // zero on a unix socket
	Peer      gateway.Peer
	Local     netip.AddrPort // likewise
	LocalUnix string         // path of the unix socket, or empty
	TLS       *tls.ConnectionState
	Ahead     []byte // what was read of it already

	// What is known of the first request on it, of a connection that somebody
	// else has served until now.
	Received time.Time // when its first byte was read; zero if that is still to come
	Begun    *Begun    // what has been done for it; nil for nothing
	Served   bool      // it is not the connection's first

	// Return, which may be nil, takes the connection back when it waits for a request
	// and the last one was common. If it returns true it has a duplicate of the
	// connection, and this one is closed here.
	Return func(c *Conn) bool
}

// Begun is a request that has been given to the backend already.
type Begun struct {
	Number uint64
	ID     string
	Asked  time.Time     // when the backend got it
	With   gateway.Begun // gateway.Request's Begun

	// Of an answer that has begun: Resumed is what was sent of it, nil for none.
	Resumed   *gateway.Resumed
	QueueWait time.Duration
	Chunked   bool
	Last      bool
	Unsent    []byte // what was framed of it and not sent
}

// Drop gives back what was taken for a request that nobody goes on with; nil has
// nothing.
func (b *Begun) Drop() {
	if b != nil {
		b.With.Drop()
	}
}

// ServeConn serves the requests of one connection, one after another, and
// closes it. When ctx ends, the requests in flight are told so; the context that
// they get is the connection's and outlives each of them. It reports whether
// Conn.Return has taken the connection back.
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
	Open int // all
	Idle int // of them, wait for a request; the others have one in flight
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

// Drain lets every connection end with the request that it has in flight, or
// with the one that comes within a moment, and waits for that until ctx ends.
// Then it closes what is left.
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

// OwnAt are the server's own fields for a time.
func (s *Server) OwnAt(now time.Time) Own {
	return Own{More: s.Adds.Fields, Server: s.Adds.Name, Date: s.dateAt(now)}
}

// dateAt returns the Date field for a time, empty if there is to be none.
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
