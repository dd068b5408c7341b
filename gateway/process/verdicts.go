package process

import (
	"context"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	verdictWait = time.Second // how long to wait for the arbiter's verdict
	verdictMost = 256         // verdicts that are remembered
)

// verdicts has what the arbiter says about workers that have ended: whether one of
// their requests may be the cause.
type verdicts struct {
	mu    sync.Mutex
	of    map[int]wire.Ended // by pid
	order []int              // pids, the oldest first
	news  chan struct{}      // closed, and replaced, when a verdict comes
}

func newVerdicts() *verdicts { return &verdicts{of: map[int]wire.Ended{}, news: make(chan struct{})} }

// add adds the verdicts on workers that have ended.
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

// Crash returns the verdict on a worker that has ended, which is empty if somebody else
// ended it. It waits a moment for the arbiter, which may be gone.
func (v *verdicts) Crash(ctx context.Context, pid int) wire.Ended {
	if pid == 0 {
		return wire.Ended{} // no worker had begun the request
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
