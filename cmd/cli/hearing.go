package cli

import (
	"context"
	"os"
	"os/signal"

	"github.com/gonicorn/gonicorn/signals"
)

// listenForSignals turns signals into the arbiter's actions. Child is sent for
// every SIGCHLD, or for several at once: the arbiter reaps all there are.
func (s *supervisor) listenForSignals(ctx context.Context) {
	raw := make(chan os.Signal, 64)
	signal.Notify(raw, signals.All()...)
	s.wg.Go(func() {
		defer signal.Stop(raw)
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-raw:
				s.act(ctx, signals.ActionOf(sig))
			}
		}
	})
}

func (s *supervisor) act(ctx context.Context, a signals.Action) {
	if a == signals.None {
		return
	}
	select {
	case s.actions <- a:
	case <-ctx.Done():
	}
}

// childEnded has the arbiter look again for children that have ended.
func (s *supervisor) childEnded() {
	select {
	case s.actions <- signals.Child:
	default: // it is busy, and looks for them anyhow
	}
}
