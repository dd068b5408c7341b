// Package servicemanager talks to the service manager that started gonicorn
// (sd_notify(3)): systemd, or one with the same protocol.
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

// Manager is the service manager, if it wants notifications from gonicorn. Say never
// blocks: if the manager is too slow, states are dropped. A nil Manager means that
// there is none.
type Manager struct {
	client notify.Client
	states chan []string
}

// New makes the Manager that NOTIFY_SOCKET names; nil without that variable.
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

// Run sends queued states until ctx ends, and then those that are left.
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

// kept are the sockets that the service manager keeps while gonicorn is restarted, if
// the unit allows that: all open sockets, each once.
type kept struct {
	client notify.Client
	names  map[string]bool
	failed func(error)
}

// Keep makes the manager keep the open sockets, now and after each change. With
// replaces, it already keeps those of the gonicorn that this one replaces.
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

// update tells the manager which sockets are new (FDSTORE=1) and which are gone
// (FDSTOREREMOVE=1). A socket that the manager kept would stay bound.
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
