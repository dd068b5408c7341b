package sockets

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Handed is a socket that is passed to another process, or was passed to this one.
type Handed struct {
	FD   int    `json:"fd"`
	Bind string `json:"bind"` // as in the config; empty from a service manager
	Name string `json:"-"`    // from LISTEN_FDNAMES

	Admin bool `json:"admin,omitempty"` // it belongs to admin_bind
}

// Activated lists the sockets of socket activation (sd_listen_fds(3)).
func Activated(env func(string) string) []Handed {
	const first = 3
	pid, err := strconv.Atoi(env(wire.EnvListenPID))
	if err != nil || pid != os.Getpid() {
		return nil // they are for another process
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

// Adopt takes over sockets that were passed to this process: those of admin_bind, or
// all others. Later configs can use them for their addresses.
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

// handedDown is a socket that no config has asked for yet.
type handedDown struct {
	*listen.Socket
	fd   int // the number that it had at first
	name string
}

// takeHanded returns the socket that was passed to this process for this address or
// with this name; nil if there is none.
func (s *Set) takeHanded(bind string, address listen.Address) *listen.Socket {
	for i, h := range s.handed {
		if h.Same(address) || address.Network == "fd" && (address.FD == h.fd || h.name != "" && bind == "fd://"+h.name) {
			s.handed = append(s.handed[:i], s.handed[i+1:]...)
			return h.Socket
		}
	}
	return nil
}

// Binds are the addresses that a config asks for. If it gives none, they are those of
// the sockets that a service manager has passed to this process.
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

// DropHanded closes the sockets that were passed to this process and are not used.
func (s *Set) DropHanded(log func(bind string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handed {
		log(h.Name())
		_ = h.Close() // an error does not matter: the socket is not used
	}
	s.handed = nil
}

// HandDown lists all open sockets, for passing them to another process.
func (s *Set) HandDown(admin bool) (all []Handed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		all = append(all, Handed{FD: sock.FD, Bind: sock.Name(), Admin: admin})
	}
	return all
}

// Own says whether this process removes the files of its unix sockets.
func (s *Set) Own(own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		sock.Own(own)
	}
}
