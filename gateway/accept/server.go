// Package accept accepts connections. It reads the PROXY protocol, does the TLS
// handshake, finds out which version of HTTP a connection speaks, and passes it to
// the server for that version.
package accept

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/tlsconn"
)

const (
	handshakeTimeout = 10 * time.Second // for the PROXY protocol, TLS and HTTP/2's preface together
	lastMoment       = 2 * time.Second  // for handlers to notice that all connections are closed
)

// Options configure a Server.
type Options struct {
	HTTP1 *http1.Server // serves HTTP/1 connections; its limits and handler are HTTP/2's too
	TLS   *TLS          // nil for plain connections

	NoHTTP1        bool // speak HTTP/2 only
	HTTP2          bool // over TLS, by ALPN
	HTTP2Cleartext bool // without TLS, by prior knowledge (RFC 9113, 3.3)
	Streams        int  // requests at once on one HTTP/2 connection
	Window         int  // bytes of a request's body under way on one stream
	Frame          int  // bytes of the largest frame taken
	HeaderList     int  // bytes of all header fields of a request

	Proxy      string                     // off, v1, v2, auto: the PROXY protocol
	ProxyAllow func(peer netip.Addr) bool // who may use it; unix sockets' peers always

	Uwsgi      bool                       // speak the uwsgi protocol in place of HTTP
	UwsgiAllow func(peer netip.Addr) bool // who may; unix sockets' peers always

	// Loops are the event loops, which take turns in getting a new connection. HTTP/2
	// needs one at least.
	Loops []Events

	// MaxConnections bounds the connections that are open; more wait in the
	// kernel's backlog. 0 leaves it to the limit of open files. Each listener
	// but the first may go one over it.
	MaxConnections   int
	HandshakeTimeout time.Duration // until a connection can bring its first request; 0 is 10 s
	Log              *slog.Logger
}

// Events is an event loop. Backend and Pipeline, which may be nil, answer common
// requests on it.
type Events struct {
	Loop     *loop.Loop
	Backend  gateway.Looped
	Pipeline *pipeline.Pipeline
	// Server, which may be nil, makes what serves connections that speak HTTP/1 from
	// their first byte, without a goroutine for each. If they turn out to speak HTTP/2
	// they are version2's, which is nil if that is off.
	Server func(h Host, version2 *http2loop.Server) LoopServer
}

// Protocols are what to offer by ALPN.
func (o Options) Protocols() []string {
	var all []string
	if o.HTTP2 {
		all = append(all, "h2")
	}
	if !o.NoHTTP1 {
		all = append(all, "http/1.1")
	}
	return all
}

// LoopServer serves connections on an event loop (package http1loop).
type LoopServer interface {
	// Listen accepts on a listener, which it closes. The servers of all loops get the
	// connections in turns.
	Listen(l net.Listener, unix string) error
	// Take serves a connection from which nothing has been read; version2 says that it
	// speaks HTTP/2. If it returns false, the connection is still the caller's.
	Take(c *http1.Conn, version2 bool) bool
	StopAccepting()
	Drain(ctx context.Context)
}

// loops are what serves connections on the event loops, in the order of Options.Loops.
type loops struct {
	onLoop []LoopServer        // nil: every connection has a goroutine
	http2  []*http2loop.Server // nil: it is not spoken
	turn   atomic.Uint32       // counts connections: the loops take turns
}

// Server accepts connections and serves them.
type Server struct {
	o Options
	loops
	limit connLimit

	acceptFailed, noFiles, full, badProxy logLimiter // their log lines

	ctx     context.Context // of all connections
	cancel  context.CancelCauseFunc
	closing atomic.Bool

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]struct{} // that are not HTTP/1's
	wg        sync.WaitGroup        // accept loops and connections
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = handshakeTimeout
	}
	s := &Server{o: o, listeners: map[net.Listener]struct{}{}, conns: map[net.Conn]struct{}{}}
	s.limit.set(o.MaxConnections)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if o.HTTP2 || o.HTTP2Cleartext {
		s.setUpHTTP2()
	}
	if !s.proxied() && !o.Uwsgi && (!o.NoHTTP1 || o.TLS != nil) {
		s.makeLoopServers()
	}
	return s, nil
}

// makeLoopServers makes what serves connections on the loops.
func (s *Server) makeLoopServers() {
	for i, e := range s.o.Loops {
		if e.Server == nil {
			return
		}
		var version2 *http2loop.Server
		if s.http2 != nil {
			version2 = s.http2[i]
		}
		s.onLoop = append(s.onLoop, e.Server(s, version2))
	}
}

// next is which of the loops gets a connection.
func (s *Server) next() int { return int(s.turn.Add(1)) % len(s.o.Loops) }

// serve serves one connection. It reports whether the loop has taken it over; the
// loop releases it then.
func (s *Server) serve(raw net.Conn, unix string) (taken bool) {
	c := http1.Conn{Conn: raw, Scheme: "http", LocalUnix: unix, Remote: addrPort(raw.RemoteAddr()), Local: addrPort(raw.LocalAddr())}
	c.Peer = gateway.Peer{Addr: c.Remote.Addr(), Unix: unix != ""}
	if s.o.TLS == nil && !s.o.HTTP2Cleartext && !s.proxied() && !s.o.Uwsgi {
		s.o.HTTP1.ServeConn(s.ctx, c)
		return false
	}
	defer s.untrack(raw)
	if !s.track(raw) {
		raw.Close()
		return false
	}
	if protocol, ok := s.begun(&c); ok {
		_ = raw.SetDeadline(time.Time{}) // what follows fails too
		taken = s.pass(raw, c, protocol)
	}
	if !taken {
		raw.Close()
	}
	return taken
}

// begun does what comes before a connection's first request, and finds out its
// protocol. If ok is false the connection must be closed.
func (s *Server) begun(c *http1.Conn) (protocol string, ok bool) {
	_ = c.SetDeadline(time.Now().Add(s.o.HandshakeTimeout)) // what follows fails too
	if s.proxied() && !s.unproxy(c) {
		return "", false
	}
	if s.o.Uwsgi {
		return "", s.unwrapUwsgi(c)
	}
	return s.negotiate(c)
}

// pass serves a connection by its protocol; taken says that the loop has taken it
// over.
func (s *Server) pass(raw net.Conn, c http1.Conn, protocol string) (taken bool) {
	version2 := protocol == "h2" || protocol == "h2c"
	if !version2 && s.o.NoHTTP1 && !s.o.Uwsgi {
		return false
	}
	if s.onLoop != nil && s.o.TLS != nil && s.onLoop[s.next()].Take(&c, version2) {
		return true
	}
	if version2 {
		s.http2[s.next()].Serve(c, protocol == "h2c")
		return false
	}
	s.untrack(raw)
	bare(&c)
	s.o.HTTP1.ServeConn(s.ctx, c)
	return false
}

// negotiate finds out the protocol of a connection: h2, h2c, or anything else for
// HTTP/1. If ok is false the connection must be closed.
func (s *Server) negotiate(c *http1.Conn) (protocol string, ok bool) {
	switch {
	case s.o.TLS != nil:
		return s.handshake(c)
	case s.o.HTTP2Cleartext && sniffHTTP2(c):
		return "h2c", true
	}
	return "", true
}

// handshake does the TLS handshake, and returns the negotiated protocol.
func (s *Server) handshake(c *http1.Conn) (protocol string, ok bool) {
	config := s.o.TLS.config.Load()
	if config == nil {
		return "", false // nothing to speak it with yet
	}
	conn := tlsconn.Server(c.Conn, config)
	if err := conn.HandshakeContext(s.ctx); err != nil {
		s.o.Log.Debug("TLS handshake failed", "client", c.Remote, "error", err)
		tellPlain(err)
		return "", false
	}
	state := conn.ConnectionState()
	c.Conn, c.Scheme, c.TLS = conn, "https", &state
	return state.NegotiatedProtocol, true
}

// track registers a connection that is closed when the time to drain is over. It
// returns false if that time is over already.
func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return s.ctx.Err() == nil
}

func (s *Server) untrack(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Drain accepts nothing more, tells clients to go elsewhere, and waits until
// every connection has finished what it has in flight, or ctx ends; then it
// closes what is left. Requests that are cut off get a moment to notice.
func (s *Server) Drain(ctx context.Context) {
	s.stopAccepting()
	if s.onLoop != nil {
		var early sync.WaitGroup
		early.Go(func() { s.drainConns(ctx) })
		for _, l := range s.onLoop {
			early.Go(func() { l.Drain(ctx) }) // what it hands over meanwhile is waited for below
		}
		early.Wait()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	s.drainConns(ctx)
	select {
	case <-done:
		s.cancel(gateway.ErrClientGone)
		return
	case <-ctx.Done():
	}
	s.cancel(gateway.ErrClientGone)
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	for _, l := range s.onLoop {
		l.Drain(ctx) // closes those that came to it meanwhile
	}
	s.drainConns(ctx) // those that have been accepted meanwhile
	timer := time.NewTimer(lastMoment)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// drainConns drains HTTP/1 and HTTP/2 connections at the same time.
func (s *Server) drainConns(ctx context.Context) {
	var other sync.WaitGroup
	for _, h := range s.http2 {
		other.Go(func() { h.Drain(ctx) })
	}
	s.o.HTTP1.Drain(ctx)
	other.Wait()
}

// Close drops everything.
func (s *Server) Close() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s.Drain(over)
}

// addrPort is the address of a TCP peer; zero for others.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
