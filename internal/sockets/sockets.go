// Package sockets manages the listening sockets of a process: those that generations
// share, those to pass to a successor, and those that were passed to this process.
package sockets

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/status"
)

// Set is a set of listening sockets. Generations share the sockets that their configs
// have in common. A socket is closed when no generation uses it. All methods may be
// called from any goroutine.
type Set struct {
	mu       sync.Mutex
	open     []*shared
	handed   []*handedDown // not asked for yet
	fallback []string      // addresses for a config that names none
	changed  func(open []*listen.Socket)
}

type shared struct {
	*listen.Socket
	users int
}

// Acquire returns the sockets for these addresses, and opens those that are not open
// yet. The caller calls release once its generation no longer needs them. If one cannot
// be opened, none is acquired.
func (s *Set) Acquire(binds []string, o listen.Options) (got []*listen.Socket, release func(), err error) {
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
			continue // the config has the address twice
		}
		sock.users++
		held = append(held, sock)
		got = append(got, sock.Socket)
	}
	s.tell()
	return got, release, nil
}

// Follow calls changed now and whenever the open sockets have changed. The lock is held
// during the call.
func (s *Set) Follow(changed func(open []*listen.Socket)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = changed
	s.tell()
}

func (s *Set) tell() {
	if s.changed == nil {
		return
	}
	open := make([]*listen.Socket, len(s.open))
	for i, sock := range s.open {
		open[i] = sock.Socket
	}
	s.changed(open)
}

func (s *Set) find(bind string, o listen.Options) (*shared, error) {
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

// Close closes all sockets in this process for good. Other processes that share one keep
// it. Once none is left, the kernel refuses connections.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		_ = sock.Close() // the kernel frees the port anyway
	}
	s.open = nil
}

func (s *Set) drop(held []*shared) {
	for _, sock := range held {
		sock.users--
	}
	kept := s.open[:0]
	for _, sock := range s.open {
		if sock.users > 0 {
			kept = append(kept, sock)
			continue
		}
		_ = sock.Close() // the kernel frees the port anyway
	}
	s.open = kept
	s.tell()
}

// Backlogs says how many connections wait at each socket.
func (s *Set) Backlogs() []status.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]status.Listener, len(s.open))
	for i, sock := range s.open {
		all[i] = status.Listener{Address: sock.URL(), Backlog: listen.Backlog(sock.FD)}
	}
	return all
}
