// Package http1loop serves HTTP/1 connections on an event loop, without goroutines,
// as long as their requests are common: small, and answered without a fault. For
// anything else the connection leaves the loop for a goroutine (package http1), and
// may come back when it is idle. The rules of HTTP are functions of other packages.
package http1loop

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

const (
	block      = 4 << 10  // bytes of the buffer that most requests fit into
	largeBlock = 48 << 10 // bytes of that of a request with a body
	largeMost  = 512      // of those in use at once
	headMost   = block    // bytes of a head that the loop waits for
	bodyMost   = 40 << 10 // bytes of a body
	lingerTime = 2 * time.Second
	acceptMost = 64 // connections accepted in one turn
	// acceptPause is how long to wait after accept(2) has failed.
	acceptPause = 50 * time.Millisecond
)

// Options are the parts of a server. It has the settings of HTTP, and Host serves
// what the loop does not.
type Options struct {
	Loop     *loop.Loop
	Backend  gateway.Looped
	HTTP     *http1.Server
	Pipeline *pipeline.Pipeline
	Host     accept.Host
	HTTP2    *http2loop.Server // for connections that speak HTTP/2, on the same loop; nil: none may
}

// Server serves connections. Fields with the comment "loop" belong to the loop's
// goroutine.
type Server struct {
	o         Options
	rules     *http1.Rules
	all       []*Server          // that take turns in getting a connection; nil: there is no other
	turn      int                // loop: in all
	listeners []*listener        // loop
	conns     map[*conn]struct{} // loop
	draining  bool               // loop
	empty     chan struct{}      // loop: closed when the last connection has left while draining
	buffers                      // loop
	out       []byte             // loop: the response that is being written
	writers                      // loop
	full      bool               // loop: no listener is watched until a connection may be open

	times
}

// times are the timeouts.
type times struct {
	first, kept, head, body, answer, write, stuck, linger, drain, drainFirst *loop.Deadlines
}

// writers are the connections that have something to be written at the end of a turn.
type writers struct {
	pusher
	upgrades
}

// New makes a server. It is called before the loop runs.
func New(o Options) *Server {
	s := &Server{o: o, rules: &o.HTTP.Rules, conns: map[*conn]struct{}{}, out: make([]byte, 0, 128<<10), buffers: buffers{works: works{backend: o.Backend}}}
	s.first = o.Loop.Deadlines(o.HTTP.HeaderTimeout)
	s.kept = o.Loop.Deadlines(o.HTTP.KeepAlive)
	s.head = o.Loop.Deadlines(o.HTTP.HeaderTimeout)
	s.body = o.Loop.Deadlines(o.HTTP.BodyTimeout)
	s.answer = o.Loop.Deadlines(o.Pipeline.RequestTimeout)
	s.write = o.Loop.Deadlines(o.HTTP.WriteTimeout)
	s.stuck = o.Loop.Deadlines(stuckAfter)
	s.leaving = o.Loop.Pace(stuckMost, stuckAfter)
	s.linger = o.Loop.Deadlines(lingerTime)
	s.drain = o.Loop.Deadlines(http1.DrainIdle)
	s.drainFirst = o.Loop.Deadlines(http1.DrainFirst)
	if t := o.HTTP.HeaderTimeout; t > 0 {
		s.drainFirst.After = min(t, http1.DrainFirst)
	}
	s.sockets, _ = o.Backend.(gateway.Sockets) // nil where it has none
	o.Loop.AtTurnEnd(s.pushAll)
	o.Loop.AtTurnEnd(s.sendAll)
	return s
}

// listener is one listening socket.
type listener struct {
	s       *Server
	fd      int
	name    string
	unix    string
	watched bool
}

// Share has what one of the servers accepts served by all of them in turns. It is called
// before the loops run.
func Share(all []*Server) {
	for _, s := range all {
		s.all = all
	}
}

// deal serves a connection that was accepted, or gives it to the server whose turn it is.
func (s *Server) deal(fd int, from netip.AddrPort, l *listener) {
	to := s
	if len(s.all) > 1 {
		s.turn = (s.turn + 1) % len(s.all)
		to = s.all[s.turn]
	}
	if to == s {
		s.add(fd, from, l.unix)
		return
	}
	unixPath := l.unix
	to.o.Loop.Post(func() { to.add(fd, from, unixPath) })
}

// Listen accepts on a listener, which it closes, until StopAccepting. unixPath is
// the path of a unix socket, or empty.
func (s *Server) Listen(l net.Listener, unixPath string) error {
	fd, err := listen.Duplicate(l)
	if err != nil {
		return err
	}
	at := &listener{s: s, fd: fd, name: l.Addr().String(), unix: unixPath}
	if unixPath == "" {
		inherit(fd)
	}
	if ul, is := l.(*net.UnixListener); is {
		ul.SetUnlinkOnClose(false)
	}
	l.Close()
	s.o.Loop.Post(func() {
		if s.draining {
			unix.Close(fd)
			return
		}
		s.listeners = append(s.listeners, at)
		at.watch()
	})
	return nil
}

// inherit sets the options that accepted connections inherit from their listener
// (tcp(7)), to the values that Go's net package uses.
func inherit(fd int) {
	for _, o := range [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15}, {unix.IPPROTO_TCP, keepIdle, 15},
	} {
		_ = unix.SetsockoptInt(fd, o[0], o[1], o[2]) // without them a socket is only slower
	}
}

func (l *listener) watch() {
	if l.watched || l.fd < 0 {
		return
	}
	if err := l.s.o.Loop.WatchShared(l.fd, l); err != nil {
		l.s.o.Host.LogAcceptError(l.name, err)
		return
	}
	l.watched = true
}

func (l *listener) ignore() {
	if l.watched {
		l.s.o.Loop.Forget(l.fd)
		l.watched = false
	}
}

// Ready implements loop.Handler.
func (l *listener) Ready(loop.Events) {
	s := l.s
	for range acceptMost {
		if !s.o.Host.AcquireConn() {
			s.o.Host.LogFull()
			s.pause()
			return
		}
		fd, from, err := acceptConn(l.fd)
		if err != nil {
			s.o.Host.ReleaseConn()
			switch err {
			case unix.EAGAIN:
			case unix.EINTR, unix.ECONNABORTED:
				continue
			default: // most likely out of descriptors: some must be closed first
				s.o.Host.LogAcceptError(l.name, err)
				s.pause()
			}
			return
		}
		s.deal(fd, from, l)
	}
}

// pause accepts nothing for a moment.
func (s *Server) pause() {
	if s.full {
		return
	}
	s.full = true
	for _, l := range s.listeners {
		l.ignore()
	}
	s.o.Loop.After(acceptPause, func() {
		s.full = false
		for _, l := range s.listeners {
			l.watch()
		}
	})
}

// StopAccepting closes the listeners.
func (s *Server) StopAccepting() { s.o.Loop.Do(s.stopAccepting) }

func (s *Server) stopAccepting() {
	for _, l := range s.listeners {
		l.ignore()
		unix.Close(l.fd)
		l.fd = -1
	}
	s.listeners = nil
}

// Drain closes every connection after the request that it has in flight, or after
// one that comes within http1.DrainIdle or DrainFirst, and waits for that until ctx ends. Connections
// that are left then go to goroutines, which the host ends.
func (s *Server) Drain(ctx context.Context) {
	empty := make(chan struct{})
	s.o.Loop.Do(func() {
		s.stopAccepting()
		s.draining, s.empty = true, empty
		if len(s.conns) == 0 {
			s.leftLast()
		}
		for c := range s.conns {
			if c.state == reading && c.n == 0 {
				c.parting().Arm(&c.deadline)
			}
		}
	})
	select {
	case <-empty:
		return
	case <-ctx.Done():
	}
	s.o.Loop.Do(func() {
		for c := range s.conns {
			switch c.state {
			case busy, sendingLong:
				c.call.Promote()
			case upgraded:
				c.lose()
			default:
				c.close()
			}
		}
	})
}

// leftLast ends the wait of Drain.
func (s *Server) leftLast() {
	if s.draining && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Open counts the connections.
func (s *Server) Open() (n int) {
	s.o.Loop.Do(func() { n = len(s.conns) })
	return n
}
