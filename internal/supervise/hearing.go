package supervise

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"github.com/gonicorn/gonicorn/signals"
)

// inbox carries actions from goroutines to the arbiter's loop.
type inbox struct {
	actions chan signals.Action
	wg      sync.WaitGroup // goroutines that end with the arbiter
}

func newInbox() inbox { return inbox{actions: make(chan signals.Action, 64)} }

// listenForSignals turns signals into actions for the arbiter. One Child may stand
// for several SIGCHLD: the arbiter reaps all children that have ended.
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

// childEnded makes the arbiter look again for children that have ended.
func (b *inbox) childEnded() {
	select {
	case b.actions <- signals.Child:
	default: // the queue is full; the arbiter will look for them anyway
	}
}
