package link

import (
	"context"
	"sync"
)

// window bounds the bytes that were sent to a worker and not read there.
type window struct {
	mu   sync.Mutex
	left int
	wake chan struct{}
}

func newWindow(n int) *window { return &window{left: n, wake: make(chan struct{}, 1)} }

// take waits until the window is open, and takes n bytes of it, even if fewer are left:
// a message is not split. False means that ctx has ended.
func (w *window) take(ctx context.Context, n int) bool {
	for {
		w.mu.Lock()
		if w.left > 0 {
			w.left -= n
			w.mu.Unlock()
			return true
		}
		w.mu.Unlock()
		select {
		case <-w.wake:
		case <-ctx.Done():
			return false
		}
	}
}

// give opens the window by n bytes, which the worker has read.
func (w *window) give(n int) {
	w.mu.Lock()
	w.left = min(w.left+n, 1<<30)
	w.mu.Unlock()
	w.poke()
}

func (w *window) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
