// Package servicemanager talks to the service manager that started gonicorn
// (sd_notify(3)): systemd, or what does as it does.
package servicemanager

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Manager is the service manager, if it wants to hear from gonicorn. Nobody waits
// for it: what it has no time to hear is dropped. A nil Manager is none.
type Manager struct {
	client notify.Client
	states chan []string
}

// New takes over the environment that speaks of it; nil without one.
func New() *Manager {
	if os.Getenv(wire.EnvNotifySocket) == "" {
		return nil
	}
	return &Manager{client: notify.NewClient(), states: make(chan []string, 32)}
}

// Watchdog is how often the manager wants a sign of life; 0 is never
// (sd_watchdog_enabled(3)).
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	if pid := os.Getenv(wire.EnvWatchdogPID); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv(wire.EnvWatchdogUsec), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// Say queues a state for the manager.
func (m *Manager) Say(state ...string) {
	select {
	case m.states <- state:
	default:
	}
}

// Run sends what is said until ctx ends, and then what is left.
func (m *Manager) Run(ctx context.Context, failed func(error)) {
	for {
		select {
		case state := <-m.states:
			if err := m.client.Send(state...); err != nil {
				failed(err)
			}
			continue
		default:
		}
		select {
		case state := <-m.states:
			if err := m.client.Send(state...); err != nil {
				failed(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// kept are the sockets that the service manager holds while gonicorn is being
// restarted, if its unit allows that: those that are open, each once.
type kept struct {
	client notify.Client
	names  map[string]bool
	failed func(error)
}

// Keep has the manager hold the sockets that are open, now and after each
// change. It holds those of the gonicorn that this one replaces already.
func (m *Manager) Keep(s *sockets.Set, replaces bool, failed func(error)) {
	if m == nil {
		return
	}
	k := &kept{client: m.client, names: map[string]bool{}, failed: failed}
	s.Follow(func(open []*listen.Socket) {
		if replaces {
			replaces = false
			for _, sock := range open {
				k.names[storeName(sock)] = true
			}
			return
		}
		k.update(open)
	})
}

// update tells the manager what is new (FDSTORE=1) and what is gone
// (FDSTOREREMOVE=1): a socket that it went on holding would stay bound.
func (k *kept) update(open []*listen.Socket) {
	names := map[string]bool{}
	for _, sock := range open {
		name := storeName(sock)
		if !k.names[name] && !names[name] {
			if err := k.client.Store(name, sock.FD); err != nil {
				k.failed(err)
			}
		}
		names[name] = true
	}
	for name := range k.names {
		if !names[name] {
			if err := k.client.Forget(name); err != nil {
				k.failed(err)
			}
		}
	}
	k.names = names
}

// storeName is a socket's FDNAME (sd_notify(3)).
func storeName(s *listen.Socket) string {
	name := strings.Map(func(r rune) rune {
		if r == ':' || r < ' ' || r > '~' {
			return '_'
		}
		return r
	}, s.Name())
	return name[:min(len(name), 255)]
}
