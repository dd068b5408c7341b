package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// envHandover holds, as JSON, what a gonicorn hands to the one that is to
// replace it.
const envHandover = "GONICORN_HANDOVER"

// handover is what this process was given by the one that started it: a
// gonicorn that it is to replace, or a service manager.
type handover struct {
	PID      int            `json:"pid"`      // of that gonicorn; 0 if it is none
	Lifeline int            `json:"lifeline"` // a descriptor that ends with it
	Sockets  []handedSocket `json:"sockets"`
	Heritage *heritage      `json:"heritage,omitempty"` // of PID 1, from itself
}

type handedSocket struct {
	FD   int    `json:"fd"`
	Bind string `json:"bind"` // as its config had it; empty from a service manager
	Name string `json:"-"`    // of LISTEN_FDNAMES

	Admin bool `json:"admin,omitempty"` // it is that of admin_bind
}

// takeHandover reads what was handed down, and takes it out of the environment.
func takeHandover() (handover, error) {
	var h handover
	if text := os.Getenv(envHandover); text != "" {
		os.Unsetenv(envHandover)
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			return h, fmt.Errorf("read %s: %w", envHandover, err)
		}
		return h, nil
	}
	h.Sockets = activated(os.Getenv)
	for _, name := range []string{wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames} {
		os.Unsetenv(name)
	}
	return h, nil
}

// activated lists the sockets of socket activation (sd_listen_fds(3)).
func activated(env func(string) string) []handedSocket {
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
	sockets := make([]handedSocket, n)
	for i := range sockets {
		sockets[i].FD = first + i
		if i < len(names) && names[i] != "unknown" && names[i] != "stored" {
			sockets[i].Name = names[i]
		}
	}
	return sockets
}

// replaces reports whether another gonicorn still serves beside this one.
func (h *handover) replaces() bool { return h.PID != 0 }

// adopt takes over the sockets, those of admin_bind or all others, for the
// addresses of all configs to come.
func (s *sockets) adopt(h handover, admin bool) error {
	for _, given := range h.Sockets {
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
func (s *sockets) takeHanded(bind string, address listen.Address) *listen.Socket {
	for i, h := range s.handed {
		if h.Same(address) || address.Network == "fd" && (address.FD == h.fd || h.name != "" && bind == "fd://"+h.name) {
			s.handed = append(s.handed[:i], s.handed[i+1:]...)
			return h.Socket
		}
	}
	return nil
}

// binds are the addresses that a config asks for. Where it names none, they are
// those of the sockets that a service manager has handed down.
func (s *sockets) binds(c *config.Config) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.BindGiven {
		return c.Bind
	}
	if s.fallback == nil {
		for _, h := range s.handed {
			s.fallback = append(s.fallback, h.Name())
		}
	}
	if len(s.fallback) > 0 {
		return s.fallback
	}
	return c.Bind
}

// dropHanded closes what was handed down and nobody has asked for.
func (s *sockets) dropHanded(log func(bind string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handed {
		log(h.Name())
		_ = h.Close() // nobody uses it
	}
	s.handed = nil
}

// handDown lists all open sockets for whom they are handed to.
func (s *supervisor) handDown() (all []handedSocket) {
	for _, set := range []*sockets{&s.sockets, &s.admin} {
		set.mu.Lock()
		for _, sock := range set.open {
			all = append(all, handedSocket{FD: sock.FD, Bind: sock.Name(), Admin: set == &s.admin})
		}
		set.mu.Unlock()
	}
	return all
}

// own says of all unix sockets whether this process removes their files.
func (s *sockets) own(own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.open {
		sock.Own(own)
	}
}

// takeOver waits until the gonicorn that this one replaces is gone, and takes
// its place then.
func (s *supervisor) takeOver(h handover) {
	old := proc.Lifeline(h.Lifeline)
	s.wg.Go(func() {
		select {
		case <-old:
		case <-s.stopped:
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replaces = 0
		s.sockets.own(true)
		s.admin.own(true)
		if s.pidfile != nil && s.pidfilePath != "" {
			if err := s.pidfile.Rename(s.pidfilePath); err != nil {
				s.log.Error("cannot take over the pidfile", "error", err)
			}
		}
		s.takeConsole()
		s.log.Info("took over", "from", h.PID)
	})
}
