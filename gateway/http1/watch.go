package http1

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// watcher notices that the client goes away while its request is in hand. It
// begins to read only after a while, so that quick requests cost nothing; what
// it reads is the next request's.
type watcher struct {
	x     *conn
	timer *time.Timer

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the request; nil when none is in hand
	ended  chan struct{}           // closed when the read in progress has ended; nil without one
}

// begin watches over a request.
func (w *watcher) begin(cancel context.CancelCauseFunc) {
	w.mu.Lock()
	w.cancel = cancel
	w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.look)
	} else {
		w.timer.Reset(watchAfter)
	}
}

// look reads from the connection until something comes. It runs in a goroutine
// of the timer's.
func (w *watcher) look() {
	w.mu.Lock()
	if w.cancel == nil || w.ended != nil {
		w.mu.Unlock()
		return
	}
	if !w.x.body.done.Load() {
		w.timer.Reset(watchAfter) // whoever reads the body notices
		w.mu.Unlock()
		return
	}
	if len(w.x.in.Buffered()) > 0 {
		w.mu.Unlock()
		return // the next request is there: the client means to stay
	}
	cancel, ended := w.cancel, make(chan struct{})
	w.ended = ended
	_ = w.x.c.SetReadDeadline(time.Time{}) // the read fails too
	w.mu.Unlock()

	err := w.x.in.Fill(firstBuffer)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.ErrNoProgress) {
		cancel(gateway.ErrClientGone)
	}
	close(ended)
}

// stop ends the watch; nobody reads from the connection afterwards.
func (w *watcher) stop() {
	w.timer.Stop()
	w.mu.Lock()
	w.cancel = nil
	ended := w.ended
	if ended != nil {
		_ = w.x.c.SetReadDeadline(time.Unix(1, 0)) // ends the read
	}
	w.mu.Unlock()
	if ended == nil {
		return
	}
	<-ended
	w.mu.Lock()
	w.ended = nil
	w.mu.Unlock()
	w.x.readBy = time.Unix(1, 0)
}

// end gives the timer back.
func (w *watcher) end() {
	if w.timer != nil {
		w.stop()
	}
}
