package proxy

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// liveness distinguishes a process that hangs, because it loops or was stopped, from
// one that takes long to answer. A worker that has answered nothing for a while,
// although a request waits there, is probed with a request that costs it nothing. If
// it does not react, it gets no more requests, and the scoreboard shows since when it
// is silent, so that the arbiter replaces it. Backend.Look owns it.
type liveness struct {
	signs uint64 // answers that the ledger had counted at the last look
	alive int64  // when a look found a new one
	probe *probe // the probe that is not answered yet; nil while the worker answers
}

// probe is one probe of a worker.
type probe struct {
	since    int64 // when the process last did anything
	sent     int64
	answered atomic.Bool
	doubted  bool // the worker gets no requests meanwhile
	cancel   context.CancelFunc
}

// probePause is between two tries to reach a worker that takes no connection.
const probePause = 250 * time.Millisecond

// Look finds workers that hang. It is called a few times a second.
func (b *Backend) Look() {
	if b.Timeout <= 0 {
		return
	}
	b.updating.Lock() // so that no slot gets another worker meanwhile
	defer b.updating.Unlock()
	now := scoreboard.Now()
	for _, w := range *b.workers.Load() {
		w.look(now)
	}
}

func (w *worker) look(now int64) {
	l, after := &w.liveness, int64(w.b.Timeout/4)
	signs, oldest, held := w.ledger.signs()
	p := l.probe
	if signs != l.signs || p != nil && p.answered.Load() {
		l.signs, l.alive = signs, now
		w.trust()
		return
	}
	since := max(l.alive, oldest)
	switch {
	case p == nil:
		// Where a request that takes too long makes a worker count as hung, only
		// what then becomes of its other requests is open.
		if oldest > 0 && (held || !w.b.HoldHung) && now-since > after {
			l.probe = w.ask(since, now)
		}
	case !p.doubted && now-p.sent > min(after, int64(time.Second)):
		p.doubted = true
		w.mute.Store(true)
		w.b.Pool.Stall(w.slot, true)
		w.ledger.silent(p.since)
		w.b.Log.Warn("worker does not react: it gets no requests until it does", "pid", w.pid,
			"silent_for", time.Duration(now-p.since).Round(time.Millisecond).String())
	}
}

// trust ends the probe: the worker answers.
func (w *worker) trust() {
	p := w.liveness.probe
	if p == nil {
		return
	}
	p.cancel()
	w.liveness.probe = nil
	if p.doubted {
		w.mute.Store(false)
		w.ledger.alive()
		w.b.Pool.Stall(w.slot, false)
		w.b.Log.Info("worker reacts again", "pid", w.pid)
	}
}

// ask probes the process. Any answer is a sign of life.
func (w *worker) ask(since, now int64) *probe {
	ctx, cancel := context.WithCancel(w.ctx)
	p := &probe{since: since, sent: now, cancel: cancel}
	go func() {
		defer cancel()
		for !w.reacts(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(probePause):
			}
		}
		p.answered.Store(true)
	}()
	return p
}

// reacts sends a probe request on a connection of its own, and reports whether the
// process reacts.
func (w *worker) reacts(ctx context.Context) bool {
	w.mu.Lock()
	network, address := w.spec.Network, w.spec.Address
	w.mu.Unlock()
	c, err := w.connect(ctx, network, address)
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	target := "OPTIONS *" // "only useful as a ping" (RFC 9110, 9.3.7)
	if w.b.HealthPath != "" {
		target = "GET " + w.b.HealthPath
	}
	if _, err := io.WriteString(c, target+" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gonicorn\r\nConnection: close\r\n\r\n"); err == nil {
		_, _ = c.Read(make([]byte, 1)) // a connection that the process closes is a sign too
	}
	return ctx.Err() == nil
}
