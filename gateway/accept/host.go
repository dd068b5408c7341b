package accept

import (
	"errors"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

// Host is what a LoopServer needs of the Server.
type Host interface {
	// AcquireConn counts a connection, which Drain waits for. It returns false if as
	// many are open as may be.
	AcquireConn() bool
	// Adopt has Drain wait for a connection that the loop takes over from the caller's
	// goroutine. It is counted already.
	Adopt()
	// ReleaseConn says that a connection of the loop has ended.
	ReleaseConn()
	// HandOver serves a connection of the loop in the caller's goroutine, and releases it
	// at the end, unless the loop has adopted it. Without a connection it only releases.
	HandOver(c http1.Conn)
	// LogFull and LogAcceptError log why no connections are accepted.
	LogFull()
	LogAcceptError(listener string, err error)
}

// AcquireConn implements Host.
func (s *Server) AcquireConn() bool {
	if !s.limit.try() {
		return false
	}
	s.wg.Add(1)
	return true
}

// Adopt implements Host.
func (s *Server) Adopt() { s.wg.Add(1) }

// ReleaseConn implements Host.
func (s *Server) ReleaseConn() {
	s.limit.free()
	s.wg.Done()
}

// HandOver implements Host.
func (s *Server) HandOver(c http1.Conn) {
	defer s.wg.Done()
	if c.Conn == nil {
		c.Begun.Drop()
	}
	if c.Conn == nil || !s.o.HTTP1.ServeConn(s.ctx, c) {
		s.limit.free()
	}
}

// LogFull implements Host.
func (s *Server) LogFull() {
	if s.full.allow() {
		s.o.Log.Warn("no more connections are accepted until some end; others wait in the backlog", "open", s.limit.most)
	}
}

// LogAcceptError implements Host.
func (s *Server) LogAcceptError(listener string, err error) {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		if s.noFiles.allowEach(time.Minute) { // it lasts until the operator has done something, or clients have gone
			s.o.Log.Error("cannot accept connections: out of file descriptors; others wait in the backlog until some end; "+
				"raise the limit (ulimit -n, LimitNOFILE=)", "listener", listener, "error", err)
		}
		return
	}
	if s.acceptFailed.allow() {
		s.o.Log.Error("cannot accept connections", "listener", listener, "error", err)
	}
}
