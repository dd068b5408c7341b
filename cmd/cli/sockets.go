package cli

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/status"
)

// sockets are the listening sockets of this process. A reload shares those
// that both configs name; one that no generation uses any more is closed.
type sockets struct {
	mu       sync.Mutex
	open     []*shared
	handed   []*handedDown // not asked for yet
	fallback []string      // addresses where a config names none
	changed  func(open []*shared)
}

type shared struct {
	*listen.Socket
	users int
}

// acquire returns the sockets for these addresses, opening what is not open
// yet. The caller calls release once nobody of its generation needs them. When
// one cannot be opened, none is.
func (s *sockets) acquire(binds []string, o listen.Options) (got []*listen.Socket, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var held []*shared
	release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(held)
	}
	for _, bind := range binds {
		sock, err := s.find(bind, o)
		if err != nil {
			s.drop(held)
			return nil, nil, err
		}
		if slices.Contains(held, sock) {
			continue // the address is named twice
		}
		sock.users++
		held = append(held, sock)
		got = append(got, sock.Socket)
	}
	s.tell()
	return got, release, nil
}

// follow has changed called now and whenever the open sockets have changed,
// under the lock.
func (s *sockets) follow(changed func(open []*shared)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = changed
	s.tell()
}

func (s *sockets) tell() {
	if s.changed != nil {
		s.changed(s.open)
	}
}

func (s *sockets) find(bind string, o listen.Options) (*shared, error) {
	address, err := listen.Parse(bind)
	if err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	for _, sock := range s.open {
		if sock.Same(address) {
			return sock, nil
		}
	}
	opened := s.takeHanded(bind, address)
	if opened == nil {
		if opened, err = listen.Open(address, o); err != nil {
			var inUse *listen.InUseError
			var privileged *listen.PrivilegedError
			if !errors.As(err, &inUse) && !errors.As(err, &privileged) {
				err = errcode.With("GON022", err)
			}
			return nil, fmt.Errorf("bind: %w", err)
		}
	}
	sock := &shared{Socket: opened}
	s.open = append(s.open, sock)
	return sock, nil
}

// close closes all sockets here, for good: whoever shares one keeps it, and
// once nobody does, the kernel refuses connections.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		_ = sock.Close() // the kernel frees the port all the same
	}
	s.open = nil
}

func (s *sockets) drop(held []*shared) {
	for _, sock := range held {
		sock.users--
	}
	kept := s.open[:0]
	for _, sock := range s.open {
		if sock.users > 0 {
			kept = append(kept, sock)
			continue
		}
		_ = sock.Close() // the kernel frees the port all the same
	}
	s.open = kept
	s.tell()
}

// backlogs says how many connections wait at each socket.
func (s *sockets) backlogs() []status.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]status.Listener, len(s.open))
	for i, sock := range s.open {
		all[i] = status.Listener{Address: sock.URL(), Backlog: listen.Backlog(sock.FD)}
	}
	return all
}
