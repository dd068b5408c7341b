package accept

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// acceptPause is how long accepting rests that has failed.
const acceptPause = 50 * time.Millisecond

// Serve accepts on a listener, which it closes, until Drain. unix is the path
// of a unix socket, or empty.
func (s *Server) Serve(l net.Listener, unix string) {
	if s.onLoop != nil && s.o.TLS == nil {
		if err := s.onLoop.Listen(l, unix); err != nil {
			s.NoAccept(l.Addr().String(), err)
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
			// Out of descriptors, most likely: what is open must end first.
			s.NoAccept(l.Addr().String(), err)
			if !s.pause() {
				return
			}
			continue
		}
		s.seats.take()
		s.wg.Go(func() {
			if !s.serve(conn, unix) {
				s.seats.free()
			}
		})
	}
}

// begin counts an accept loop; false means that there is to be none any more.
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

// room waits until another connection may be open; false ends accepting.
func (s *Server) room() bool {
	if s.seats.full() {
		s.NoSeat()
	}
	return s.seats.wait()
}

// pause rests a moment; false ends accepting.
func (s *Server) pause() bool {
	timer := time.NewTimer(acceptPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.seats.closed:
		return false
	}
}

// stopAccepting closes the listeners.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing.Swap(true) {
		s.seats.close()
	}
	for l := range s.listeners {
		l.Close()
	}
	if s.onLoop != nil {
		s.onLoop.StopAccepting()
	}
}

// seats bounds the connections that are open.
type seats struct {
	most   int
	closed chan struct{}

	mu    sync.Mutex
	open  int
	freed chan struct{} // closed when one is free again; nil while nobody waits
}

// set bounds them; 0 is three quarters of the files that may be open: the rest
// is for bodies and workers.
func (s *seats) set(most int) {
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

func (s *seats) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open >= s.most
}

// wait waits until a seat is free; false means that no more are wanted.
func (s *seats) wait() bool {
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

// try takes a seat if one is free.
func (s *seats) try() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.most {
		return false
	}
	s.open++
	return true
}

func (s *seats) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
}

func (s *seats) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.freed != nil && s.open < s.most {
		close(s.freed)
		s.freed = nil
	}
}

func (s *seats) close() { close(s.closed) }

// sparing lets one line a second into the log, however often what it tells of
// happens.
type sparing struct {
	mu   sync.Mutex
	last time.Time
}

func (s *sparing) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last) < time.Second {
		return false
	}
	s.last = now
	return true
}
