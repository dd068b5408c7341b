package workers

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	shortageRest = 50 * time.Millisecond // between two tries to accept
	shortageSaid = time.Minute           // between two log lines about it
)

// shortage pauses accepting while the process or the system has no descriptors
// left. Connections in flight must end first. New ones wait in the backlog
// meanwhile.
type shortage struct {
	log *slog.Logger

	mu   sync.Mutex
	said time.Time
}

// rest waits a moment if err is a shortage. It returns false if err is something
// else, or if closing is closed.
func (s *shortage) rest(err error, closing <-chan struct{}) bool {
	if !isShortage(err) {
		return false
	}
	s.say(err)
	timer := time.NewTimer(shortageRest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closing:
		return false
	}
}

func (s *shortage) say(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.said.IsZero() && time.Since(s.said) < shortageSaid {
		return
	}
	s.said = time.Now()
	s.log.Warn("out of file descriptors: no connection is accepted until others end; "+
		"raise the limit (ulimit -n, LimitNOFILE=, rlimit_nofile) or lower worker_connections", "error", err)
}

func isShortage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Patient returns listeners whose Accept waits instead of failing while there
// are no descriptors, so that no class ends its worker for that.
func Patient(listeners []net.Listener, log *slog.Logger) []net.Listener {
	short := &shortage{log: log}
	all := make([]net.Listener, len(listeners))
	for i, l := range listeners {
		all[i] = &patientListener{Listener: l, short: short, closing: make(chan struct{})}
	}
	return all
}

type patientListener struct {
	net.Listener
	short   *shortage
	closing chan struct{}
	once    sync.Once
}

// Accept implements net.Listener.
func (l *patientListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return c, nil
		}
		if !l.short.rest(err, l.closing) {
			return nil, err
		}
	}
}

// Close implements net.Listener.
func (l *patientListener) Close() error {
	l.once.Do(func() { close(l.closing) })
	return l.Listener.Close()
}

// File returns a duplicate of the socket, as the File of *net.TCPListener does.
func (l *patientListener) File() (*os.File, error) {
	filer, ok := l.Listener.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, syscall.EINVAL
	}
	return filer.File()
}
