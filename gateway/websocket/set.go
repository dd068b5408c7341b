package websocket

import "sync"

// Set is the open WebSockets of a gateway. It is safe for concurrent use.
type Set struct {
	mu         sync.Mutex
	open       map[any]func()
	restarting bool
}

// Add takes c, a WebSocket of some kind, in. restart is called, in a goroutine of its own, when the
// gateway goes: at once if it is about to.
func (s *Set) Add(c any, restart func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restarting {
		go restart()
	}
	if s.open == nil {
		s.open = map[any]func(){}
	}
	s.open[c] = restart
}

// Remove takes c out.
func (s *Set) Remove(c any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Len is how many there are.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Restart has all WebSockets closed, and those that come later too.
func (s *Set) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restarting {
		return
	}
	s.restarting = true
	for _, restart := range s.open {
		go restart()
	}
}
