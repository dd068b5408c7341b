//go:build linux

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a worker has answered is not lost because the gateway reads it only when
// the worker is gone.
func TestAnswersOutliveTheirWorkers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sync", "threaded", "event-loop", "asgi threaded", "wsgi event-loop"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startLedger(t, ledgerKindOf(t, name), "-w", "2")
			s.ready()
			l := s.begin(s.queuedLoad(2, 1.5, 100*time.Millisecond))
			for range 3 {
				answered(t, l, 10)
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `worker is told to finish`)
				release := hold(t, gatewayPID(s.server))
				if !strings.Contains(name, "event-loop") { // those go when the gateway has heard of it
					s.expectFrom(mark, `worker gone`)
				} else {
					s.expectFrom(mark, `new generation serves`)
				}
				release()
				s.expectFrom(mark, `worker gone`)
			}
			answered(t, l, 20)
			s.settle(l)
			s.stop()
		})
	}
}
