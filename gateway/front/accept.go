package front

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
func (f *Front) Serve(l net.Listener, unix string) {
	if f.direct != nil && f.o.TLS == nil {
		if err := f.direct.Listen(l, unix); err != nil {
			f.NoAccept(l.Addr().String(), err)
		}
		return
	}
	defer l.Close()
	if !f.begin(l) {
		return
	}
	defer f.wg.Done()
	for f.room() {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of descriptors, most likely: what is open must end first.
			f.NoAccept(l.Addr().String(), err)
			if !f.pause() {
				return
			}
			continue
		}
		f.seats.take()
		f.wg.Go(func() {
			if !f.serve(conn, unix) {
				f.seats.free()
			}
		})
	}
}

// begin counts an accept loop; false means that there is to be none any more.
func (f *Front) begin(l net.Listener) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing.Load() {
		return false
	}
	f.listeners[l] = struct{}{}
	f.wg.Add(1)
	return true
}

// room waits until another connection may be open; false ends accepting.
func (f *Front) room() bool {
	if f.seats.full() {
		f.NoSeat()
	}
	return f.seats.wait()
}

// pause rests a moment; false ends accepting.
func (f *Front) pause() bool {
	timer := time.NewTimer(acceptPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.seats.closed:
		return false
	}
}

// stopAccepting closes the listeners.
func (f *Front) stopAccepting() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closing.Swap(true) {
		f.seats.close()
	}
	for l := range f.listeners {
		l.Close()
	}
	if f.direct != nil {
		f.direct.StopAccepting()
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
