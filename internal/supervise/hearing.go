package supervise

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"github.com/gonicorn/gonicorn/signals"
)

// inbox is how goroutines reach the arbiter's loop.
type inbox struct {
	actions chan signals.Action
	wg      sync.WaitGroup // of those that end with the arbiter
}

func newInbox() inbox { return inbox{actions: make(chan signals.Action, 64)} }

// listenForSignals turns signals into the arbiter's actions. Child is sent for
// every SIGCHLD, or for several at once: the arbiter reaps all there are.
func (b *inbox) listenForSignals(ctx context.Context) {
	raw := make(chan os.Signal, 64)
	signal.Notify(raw, signals.All()...)
	b.wg.Go(func() {
		defer signal.Stop(raw)
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-raw:
				b.act(ctx, signals.ActionOf(sig))
			}
		}
	})
}

func (b *inbox) act(ctx context.Context, a signals.Action) {
	if a == signals.None {
		return
	}
	select {
	case b.actions <- a:
	case <-ctx.Done():
	}
}

// childEnded has the arbiter look again for children that have ended.
func (b *inbox) childEnded() {
	select {
	case b.actions <- signals.Child:
	default: // it is busy, and looks for them anyhow
	}
}
