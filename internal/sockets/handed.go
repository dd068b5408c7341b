package sockets

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Handed is a socket that is handed to another process, or was handed to this one.
type Handed struct {
	FD   int    `json:"fd"`
	Bind string `json:"bind"` // as its config had it; empty from a service manager
	Name string `json:"-"`    // of LISTEN_FDNAMES

	Admin bool `json:"admin,omitempty"` // it is that of admin_bind
}

// Activated lists the sockets of socket activation (sd_listen_fds(3)).
func Activated(env func(string) string) []Handed {
	const first = 3
	pid, err := strconv.Atoi(env(wire.EnvListenPID))
	if err != nil || pid != os.Getpid() {
		return nil // they are for somebody else
	}
	n, err := strconv.Atoi(env(wire.EnvListenFDs))
	if err != nil || n < 0 || n > 1024 {
		return nil
	}
	names := strings.Split(env(wire.EnvListenFDNames), ":")
	sockets := make([]Handed, n)
	for i := range sockets {
		sockets[i].FD = first + i
		if i < len(names) && names[i] != "unknown" && names[i] != "stored" {
			sockets[i].Name = names[i]
		}
	}
	return sockets
}

// Adopt takes over sockets that were handed down, those of admin_bind or all
// others, for the addresses of all configs to come.
func (s *Set) Adopt(handed []Handed, admin bool) error {
	for _, given := range handed {
		if given.Admin != admin {
			continue
		}
		sock, err := listen.Adopt(given.FD, given.Bind)
		if err != nil {
			return fmt.Errorf("take over socket %d %s: %w", given.FD, given.Name, err)
		}
		s.handed = append(s.handed, &handedDown{Socket: sock, fd: given.FD, name: given.Name})
	}
	return nil
}

// handedDown is a socket that nobody has asked for yet.
type handedDown struct {
	*listen.Socket
	fd   int // that it came as
	name string
}

// takeHanded returns the socket that was handed down for this address, or under
// this name; nil if there is none.
func (s *Set) takeHanded(bind string, address listen.Address) *listen.Socket {
	for i, h := range s.handed {
		if h.Same(address) || address.Network == "fd" && (address.FD == h.fd || h.name != "" && bind == "fd://"+h.name) {
			s.handed = append(s.handed[:i], s.handed[i+1:]...)
			return h.Socket
		}
	}
	return nil
}

// Binds are the addresses that a config asks for. Where nobody has given one, they
// are those of the sockets that a service manager has handed down.
func (s *Set) Binds(bind []string, given bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if given {
		return bind
	}
	if s.fallback == nil {
		for _, h := range s.handed {
			s.fallback = append(s.fallback, h.Name())
		}
	}
	if len(s.fallback) > 0 {
		return s.fallback
	}
	return bind
}

// DropHanded closes what was handed down and nobody has asked for.
func (s *Set) DropHanded(log func(bind string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handed {
		log(h.Name())
		_ = h.Close() // nobody uses it
	}
	s.handed = nil
}

// HandDown lists all open sockets for whom they are handed to.
func (s *Set) HandDown(admin bool) (all []Handed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		all = append(all, Handed{FD: sock.FD, Bind: sock.Name(), Admin: admin})
	}
	return all
}

// Own says of all unix sockets whether this process removes their files.
func (s *Set) Own(own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		sock.Own(own)
	}
}
