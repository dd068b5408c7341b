package front

import (
	"sync"
	"time"
)

// patience bounds each of many calls: it makes one fail that takes longer. The
// time between calls does not count, unlike with a deadline that is set once,
// and a call that is quick costs no message to the connection's goroutine.
type patience struct {
	bound  time.Duration         // 0 is none
	expire func(time.Time) error // sets a deadline on what is called

	timer *time.Timer
	mu    sync.Mutex
	until time.Time // of the call under way; zero for none
}

func (p *patience) set(bound time.Duration, expire func(time.Time) error) {
	p.bound, p.expire = bound, expire
}

func (p *patience) begin() {
	if p.bound <= 0 {
		return
	}
	p.mu.Lock()
	p.until = time.Now().Add(p.bound)
	p.mu.Unlock()
	if p.timer == nil {
		p.timer = time.AfterFunc(p.bound, p.fire)
	} else {
		p.timer.Reset(p.bound)
	}
}

// end is behind the call. When it has returned, nothing is expired any more.
func (p *patience) end() {
	if p.bound <= 0 {
		return
	}
	p.timer.Stop()
	p.mu.Lock()
	p.until = time.Time{}
	p.mu.Unlock()
}

func (p *patience) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.until.IsZero() && !time.Now().Before(p.until) {
		_ = p.expire(time.Unix(1, 0)) // it may have ended
	}
}
