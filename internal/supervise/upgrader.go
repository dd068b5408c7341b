package supervise

import (
	"context"
	"os"
	"slices"

	"github.com/gonicorn/gonicorn/internal/hooks"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/upgrade"
)

// upgrader makes the upgrader of this process from what the process was handed.
func (s *supervisor) upgrader(handed upgrade.Handover) *upgrade.Upgrader {
	return upgrade.New(handed, upgrade.Process{
		Args: slices.Clone(os.Args), Host: s.host, Log: s.log, BootTimeout: s.given.config().BootTimeout, Grace: s.given.config().GracefulTimeout,
		Actions: s.inbox.actions, Own: s.ownSockets, Gateways: s.gateways, TakeOver: s.takeOver,
		HandDown: func() []sockets.Handed { return append(s.sockets.HandDown(false), s.admin.HandDown(true)...) },
		Begin:    func() { s.hooks.Tell(hooks.Event{Event: "pre_exec"}) },
	})
}

// ownSockets says whether this process removes the files of its unix sockets.
func (s *supervisor) ownSockets(own bool) {
	s.sockets.Own(own)
	s.admin.Own(own)
}

// gateways returns the pids of the gateways.
func (s *supervisor) gateways(ctx context.Context) (pids []int, err error) {
	status, err := s.arbiter.Status(ctx)
	for _, w := range status.Workers {
		if w.Role == "gateway" {
			pids = append(pids, w.PID)
		}
	}
	return pids, err
}

// takeOver takes over the pidfile and the control socket of the predecessor, which is gone.
func (s *supervisor) takeOver() {
	if s.holdings.pidfile != nil && s.holdings.pidfilePath != "" {
		if err := s.holdings.pidfile.Rename(s.holdings.pidfilePath); err != nil {
			s.log.Error("cannot take over the pidfile", "error", err)
		}
	}
	s.takeConsole()
}
