package link

import (
	"sync"
	"time"
)

// hangupEvery is how often a client whose messages wait for the app is looked
// at. One that is gone twice in a row is: a close frame may lie before its end.
const hangupEvery = 2 * time.Second

// hangup notices that a client leaves while nobody reads from it. Many waits,
// one after the other, share one goroutine, which ends when there are no more.
type hangup struct {
	mu      sync.Mutex
	waits   int  // so far
	waiting bool // one of them is going on
	looking bool
}

// watch looks at the client until stop is called.
func (s *webSocket) watch() (stop func()) {
	h := &s.gone
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits++
	h.waiting = true
	if !h.looking {
		h.looking = true
		go s.lookOut()
	}
	return h.stop
}

func (h *hangup) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = false
}

func (s *webSocket) lookOut() {
	tick := time.NewTicker(hangupEvery)
	defer tick.Stop()
	for gone, last := 0, 0; gone < 2; {
		<-tick.C
		wait, going := s.gone.look()
		if !going {
			return
		}
		switch {
		case !s.conn.HungUp():
			gone = 0
		case wait == last:
			gone++
		default:
			gone = 1
		}
		last = wait
	}
	s.broken()
}

// look returns which wait is going on. False ends the looking.
func (h *hangup) look() (wait int, going bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looking = h.waiting
	return h.waits, h.waiting
}
