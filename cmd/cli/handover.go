package cli

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// envHandover holds, as JSON, what a gonicorn hands to the one that is to
// replace it.
const envHandover = "GONICORN_HANDOVER"

// handover is what this process was given by the one that started it: a
// gonicorn that it is to replace, or a service manager.
type handover struct {
	PID      int              `json:"pid"`      // of that gonicorn; 0 if it is none
	Lifeline int              `json:"lifeline"` // a descriptor that ends with it
	Sockets  []sockets.Handed `json:"sockets"`
	Heritage *heritage        `json:"heritage,omitempty"` // of PID 1, from itself
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
	h.Sockets = sockets.Activated(os.Getenv)
	for _, name := range []string{wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames} {
		os.Unsetenv(name)
	}
	return h, nil
}

// replaces reports whether another gonicorn still serves beside this one.
func (h *handover) replaces() bool { return h.PID != 0 }

// handDown lists all open sockets for whom they are handed to.
func (s *supervisor) handDown() []sockets.Handed {
	return append(s.sockets.HandDown(false), s.admin.HandDown(true)...)
}

// takeOver waits until the gonicorn that this one replaces is gone, and takes
// its place then.
func (s *supervisor) takeOver(h handover) {
	old := proc.Lifeline(h.Lifeline)
	s.wg.Go(func() {
		select {
		case <-old:
		case <-s.host.Stopped:
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replaces = 0
		s.sockets.Own(true)
		s.admin.Own(true)
		if s.pidfile != nil && s.pidfilePath != "" {
			if err := s.pidfile.Rename(s.pidfilePath); err != nil {
				s.log.Error("cannot take over the pidfile", "error", err)
			}
		}
		s.takeConsole()
		s.log.Info("took over", "from", h.PID)
	})
}
