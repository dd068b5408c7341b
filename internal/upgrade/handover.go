// Package upgrade replaces a gonicorn by another one without losing a connection:
// by a successor that runs beside it for a while, or, if it is PID 1, by execve(2).
package upgrade

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// envHandover is the environment variable with the Handover as JSON.
const envHandover = "GONICORN_HANDOVER"

// Handover is what this process got from the process that started it: a gonicorn
// that it shall replace, or a service manager.
type Handover struct {
	PID      int              `json:"pid"`      // of the gonicorn to replace; 0 if there is none
	Lifeline int              `json:"lifeline"` // descriptor of that gonicorn's lifeline
	Sockets  []sockets.Handed `json:"sockets"`
	Exec     *execHandover    `json:"heritage,omitempty"` // from PID 1 to itself; "heritage" is the name in earlier releases
}

// Inherit reads the handover and removes it from the environment.
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
