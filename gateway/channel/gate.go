package channel

import (
	"container/list"
	"context"
	"sync"
)

// Gate bounds how many requests are with the workers at once. Implementations
// are safe for concurrent use.
type Gate interface {
	// Enter waits for a place. It fails with the context's cause, or with
	// gateway.ErrNoCapacity where the gate has bounds of its own.
	Enter(ctx context.Context) error
	// Leave gives a place back.
	Leave()
	// Resize says how many places there are now.
	Resize(n int)
}

// Places is a Gate that lets requests in in the order in which they came and
// has no bounds but the context's.
type Places struct {
	mu      sync.Mutex
	size    int
	taken   int
	waiting list.List // of chan struct{}, closed when the place is given
}

// Enter implements Gate.
func (p *Places) Enter(ctx context.Context) error {
	p.mu.Lock()
	if p.taken < p.size && p.waiting.Len() == 0 {
		p.taken++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	at := p.waiting.PushBack(turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-turn: // it came at the same moment; the next one gets it
		p.taken--
		p.admit()
	default:
		p.waiting.Remove(at)
	}
	return context.Cause(ctx)
}

// Leave implements Gate.
func (p *Places) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.admit()
}

// Resize implements Gate.
func (p *Places) Resize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = n
	p.admit()
}

func (p *Places) admit() {
	for p.taken < p.size && p.waiting.Len() > 0 {
		p.taken++
		close(p.waiting.Remove(p.waiting.Front()).(chan struct{}))
	}
}
