// Package upgrade replaces a gonicorn by another one without a connection lost: by
// a successor that runs beside it for a while, or, where it is PID 1, by
// execve(2).
package upgrade

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// envHandover holds, as JSON, what a gonicorn hands to the one that is to
// replace it.
const envHandover = "GONICORN_HANDOVER"

// Handover is what this process was given by the one that started it: a
// gonicorn that it is to replace, or a service manager.
type Handover struct {
	PID      int              `json:"pid"`      // of that gonicorn; 0 if it is none
	Lifeline int              `json:"lifeline"` // a descriptor that ends with it
	Sockets  []sockets.Handed `json:"sockets"`
	Exec     *execHandover    `json:"heritage,omitempty"` // of PID 1, from itself; releases before have called it so
}

// Inherit reads what was handed down, and takes it out of the environment.
func Inherit() (Handover, error) {
	var h Handover
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

// Replaces reports whether another gonicorn still serves beside this one.
func (h *Handover) Replaces() bool { return h.PID != 0 }
