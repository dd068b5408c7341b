package websocket

import "sync"

// Set is the set of open WebSockets of a gateway. It is safe for concurrent use.
type Set struct {
	mu         sync.Mutex
	open       map[any]func()
	restarting bool
}

// Add adds c, a WebSocket of any kind. When the set is told to restart, restart is called in a
// goroutine of its own; at once if that was before.
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

// Remove removes c.
func (s *Set) Remove(c any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Len returns how many WebSockets are open.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Restart closes all WebSockets, also those that are added later, since the gateway
// is going to end.
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
