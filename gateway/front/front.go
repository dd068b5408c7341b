// Package front turns what listens into requests: it accepts connections,
// takes the PROXY protocol and TLS off them, and finds out which HTTP they
// speak.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"golang.org/x/net/http2"
)

const (
	handshakeTime = 10 * time.Second // for TLS and the PROXY protocol together
	acceptPause   = 50 * time.Millisecond
)

// Options are what a front is made of.
type Options struct {
	HTTP1 *http1.Server // serves HTTP/1 connections; its limits and handler are HTTP/2's too
	TLS   *TLS          // nil for plain connections

	NoHTTP1        bool // speak HTTP/2 only
	HTTP2          bool // over TLS, by ALPN
	HTTP2Cleartext bool // without TLS, by prior knowledge
	Streams        int  // requests at once on one HTTP/2 connection
	Window         int  // bytes of a request's body under way on one stream
	Frame          int  // bytes of the largest frame taken
	HeaderList     int  // bytes of all header fields of a request

	Proxy      string                     // off, v1, v2, auto: the PROXY protocol
	ProxyAllow func(peer netip.Addr) bool // who may use it; unix sockets' peers always
	Log        *slog.Logger
}

// Front accepts connections and serves them.
type Front struct {
	o     Options
	tls   *tls.Config
	http2 *http2.Server
	base  *http.Server // its Shutdown tells HTTP/2 clients to go

	ctx    context.Context // of all connections
	cancel context.CancelFunc

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[net.Conn]struct{} // that are not HTTP/1's yet, or any more
	closing   bool
	wg        sync.WaitGroup
}

// New makes a front.
func New(o Options) (*Front, error) {
	f := &Front{o: o, conns: map[net.Conn]struct{}{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if o.TLS != nil {
		f.tls = o.TLS.server()
	}
	if o.HTTP2 || o.HTTP2Cleartext {
		if err := f.setUpHTTP2(); err != nil {
			return nil, err
		}
	}
	return f, nil
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

// Serve accepts on a listener, which it closes, until Drain. unix is the path
// of a unix socket, or empty.
func (f *Front) Serve(l net.Listener, unix string) {
	f.mu.Lock()
	f.listeners = append(f.listeners, l)
	closing := f.closing
	f.mu.Unlock()
	if closing {
		l.Close()
		return
	}
	var said time.Time
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of descriptors, most likely: what is open must end first.
			if time.Since(said) > time.Second {
				said = time.Now()
				f.o.Log.Error("cannot accept connections", "error", err)
			}
			pause := time.NewTimer(acceptPause)
			select {
			case <-pause.C:
			case <-f.ctx.Done():
			}
			continue
		}
		f.wg.Go(func() { f.serve(conn, unix) })
	}
}

// serve serves one connection.
func (f *Front) serve(raw net.Conn, unix string) {
	c := http1.Conn{Conn: raw, Scheme: "http", LocalUnix: unix, Remote: addrPort(raw.RemoteAddr()), Local: addrPort(raw.LocalAddr())}
	if f.tls == nil && !f.o.HTTP2Cleartext && !f.proxied() {
		f.o.HTTP1.ServeConn(f.ctx, c)
		return
	}
	f.hold(raw)
	defer f.drop(raw)
	_ = raw.SetDeadline(time.Now().Add(handshakeTime)) // what follows fails too
	if f.proxied() && !f.unproxy(&c) {
		raw.Close()
		return
	}
	protocol := ""
	if f.tls != nil {
		var ok bool
		if protocol, ok = f.handshake(&c); !ok {
			raw.Close()
			return
		}
	} else if f.o.HTTP2Cleartext {
		if sniffHTTP2(&c) {
			protocol = "h2c"
		}
	}
	_ = raw.SetDeadline(time.Time{}) // likewise
	switch {
	case protocol == "h2" || protocol == "h2c":
		f.serveHTTP2(c, protocol == "h2c")
	case f.o.NoHTTP1:
		c.Close()
	default:
		f.drop(raw)
		bare(&c)
		f.o.HTTP1.ServeConn(f.ctx, c)
	}
}

// handshake does TLS, and returns the protocol that was agreed on.
func (f *Front) handshake(c *http1.Conn) (protocol string, ok bool) {
	conn := tls.Server(c.Conn, f.tls)
	if err := conn.HandshakeContext(f.ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"+
				"This port speaks HTTPS: write https:// in place of http://.\n")
		} else {
			f.o.Log.Debug("TLS handshake failed", "client", c.Remote, "error", err)
		}
		return "", false
	}
	state := conn.ConnectionState()
	c.Conn, c.Scheme, c.TLS = conn, "https", &state
	return state.NegotiatedProtocol, true
}

func looksLikeHTTP(head [5]byte) bool {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

func (f *Front) hold(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = struct{}{}
}

func (f *Front) drop(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// Drain accepts nothing more and waits until every connection has finished
// what it has in hand, or ctx ends; then it closes what is left and returns
// when the last request has ended.
func (f *Front) Drain(ctx context.Context) {
	f.mu.Lock()
	f.closing = true
	for _, l := range f.listeners {
		l.Close()
	}
	f.mu.Unlock()
	if f.base != nil {
		go func() { _ = f.base.Shutdown(ctx) }() // sends GOAWAY; what it waits for is waited for below
	}
	f.o.HTTP1.Drain(ctx)
	done := make(chan struct{})
	go func() { f.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		f.mu.Lock()
		for c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.cancel()
	}
}

// Close drops everything.
func (f *Front) Close() {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	f.Drain(gone)
}

// addrPort is the address of a TCP peer; zero for others.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
