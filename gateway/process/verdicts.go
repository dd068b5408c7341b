package process

import (
	"context"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	verdictWait = time.Second // for the arbiter to say how a worker has ended
	verdictMost = 256         // that are remembered
)

// verdicts are what the arbiter says of workers that have ended: whether their
// requests may have been to blame.
type verdicts struct {
	mu    sync.Mutex
	of    map[int]wire.Ended // by pid
	order []int
	news  chan struct{} // closed and renewed at each
}

func newVerdicts() *verdicts { return &verdicts{of: map[int]wire.Ended{}, news: make(chan struct{})} }

// add takes note of workers that have ended.
func (v *verdicts) add(all []wire.Ended) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range all {
		if _, is := v.of[e.PID]; !is {
			v.order = append(v.order, e.PID)
		}
		v.of[e.PID] = e
	}
	for ; len(v.order) > verdictMost; v.order = v.order[1:] {
		delete(v.of, v.order[0])
	}
	close(v.news)
	v.news = make(chan struct{})
}

// Crash says what a worker that has ended did, empty where somebody else ended
// it; it waits a moment for the arbiter, which may be gone.
func (v *verdicts) Crash(ctx context.Context, pid int) wire.Ended {
	if pid == 0 {
		return wire.Ended{} // of a request that no worker had begun
	}
	late := time.NewTimer(verdictWait)
	defer late.Stop()
	for {
		v.mu.Lock()
		ended, is := v.of[pid]
		news := v.news
		v.mu.Unlock()
		if is {
			return ended
		}
		select {
		case <-news:
		case <-late.C:
			return wire.Ended{}
		case <-ctx.Done():
			return wire.Ended{}
		}
	}
}
