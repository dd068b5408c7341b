package accept

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// acceptPause is how long to wait after accept(2) has failed.
const acceptPause = 50 * time.Millisecond

// Serve accepts on a listener, which it closes, until Drain. unix is the path
// of a unix socket, or empty.
func (s *Server) Serve(l net.Listener, unix string) {
	if s.onLoop != nil && s.o.TLS == nil {
		if err := s.onLoop[0].Listen(l, unix); err != nil {
			s.LogAcceptError(l.Addr().String(), err)
		}
		return
	}
	defer l.Close()
	if !s.begin(l) {
		return
	}
	defer s.wg.Done()
	for s.room() {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Most likely out of descriptors: some must be closed first.
			s.LogAcceptError(l.Addr().String(), err)
			if !s.pause() {
				return
			}
			continue
		}
		s.limit.take()
		s.wg.Go(func() {
			if !s.serve(conn, unix) {
				s.limit.free()
			}
		})
	}
}

// begin counts an accept loop. It returns false when the server drains.
func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.listeners[l] = struct{}{}
	s.wg.Add(1)
	return true
}

// room waits until another connection may be open. It returns false when the server
// drains.
func (s *Server) room() bool {
	if s.limit.full() {
		s.LogFull()
	}
	return s.limit.wait()
}

// pause waits acceptPause. It returns false when the server drains.
func (s *Server) pause() bool {
	timer := time.NewTimer(acceptPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.limit.closed:
		return false
	}
}

// stopAccepting closes the listeners.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing.Swap(true) {
		s.limit.close()
	}
	for l := range s.listeners {
		l.Close()
	}
	for _, l := range s.onLoop {
		l.StopAccepting()
	}
}

// connLimit bounds the number of open connections.
type connLimit struct {
	most   int
	closed chan struct{}

	mu    sync.Mutex
	open  int
	freed chan struct{} // closed when a connection has ended; nil while nobody waits
}

// set sets the limit. 0 means three quarters of the limit of open files: the rest
// is for bodies and workers.
func (s *connLimit) set(most int) {
	s.closed = make(chan struct{})
	s.most = most
	if most > 0 {
		return
	}
	s.most = 1 << 20
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil && uint64(files.Cur) < uint64(s.most) {
		s.most = max(1, int(files.Cur)*3/4)
	}
}

func (s *connLimit) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open >= s.most
}

// wait waits until another connection may be open. It returns false after close.
func (s *connLimit) wait() bool {
	for {
		s.mu.Lock()
		if s.open < s.most {
			s.mu.Unlock()
			return true
		}
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-s.closed:
			return false
		}
	}
}

// try counts a connection unless the limit is reached.
func (s *connLimit) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.most {
		return false
	}
	s.open++
	return true
}

func (s *connLimit) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
}

func (s *connLimit) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.freed != nil && s.open < s.most {
		close(s.freed)
		s.freed = nil
	}
}

func (s *connLimit) close() { close(s.closed) }

// logLimiter lets a line into the log now and then.
type logLimiter struct {
	mu   sync.Mutex
	last time.Time
}

// allow allows one a second.
func (s *logLimiter) allow() bool { return s.allowEach(time.Second) }

func (s *logLimiter) allowEach(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last) < d {
		return false
	}
	s.last = now
	return true
}
