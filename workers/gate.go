package workers

import (
	"context"
	"net"
	"sync"
)

// gate lets so many connections in at once. A connection takes a place before
// it is accepted, so that one that finds no place stays in the kernel's
// backlog, where another worker can take it.
type gate struct {
	places   chan struct{}
	holdIdle bool // a connection keeps its place between requests

	mu   sync.Mutex
	held map[net.Conn]bool
}

func newGate(n int) *gate {
	return &gate{places: make(chan struct{}, n), held: map[net.Conn]bool{}}
}

// enter takes a place; false means that done came first.
func (g *gate) enter(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
	}
	select {
	case g.places <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

func (g *gate) leave() { <-g.places }

// admit notes that c holds the place that was entered for it.
func (g *gate) admit(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[c] = true
}

// release gives c's place back, if it holds one.
func (g *gate) release(c net.Conn) {
	g.mu.Lock()
	had := g.held[c]
	delete(g.held, c)
	g.mu.Unlock()
	if had {
		g.leave()
	}
}

// resume waits for a place for a connection that had given its own back. Its
// client waits meanwhile; the worker's end frees it.
func (g *gate) resume(ctx context.Context, c net.Conn) {
	g.mu.Lock()
	has := g.held[c]
	g.mu.Unlock()
	if !has && g.enter(ctx.Done()) {
		g.admit(c)
	}
}

// gatedListener accepts only when the gate has a place.
type gatedListener struct {
	net.Listener
	gate *gate
	done <-chan struct{}
}

// Accept implements net.Listener.
func (l gatedListener) Accept() (net.Conn, error) {
	if !l.gate.enter(l.done) {
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.gate.leave()
		return nil, err
	}
	l.gate.admit(c)
	return c, nil
}
