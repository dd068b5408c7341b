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

// watchAfter is how long a request is in flight before its client is watched.
const watchAfter = 20 * time.Millisecond

// watcher notices if the client goes away while its request is in flight, which means
// that its connection breaks or is closed. A client that only ends its side has not
// gone. The watcher starts to read only after a while, so that quick requests cost
// nothing. What it reads belongs to the next request.
type watcher struct {
	x     *serverConn
	gone  context.CancelCauseFunc // of the connection's context
	timer *time.Timer

	mu    sync.Mutex
	on    bool          // a request is in flight
	ended chan struct{} // closed when the read in progress has ended; nil without one
}

// begin starts to watch during a request.
func (w *watcher) begin() {
	w.mu.Lock()
	w.on = true
	w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.look)
	} else {
		w.timer.Reset(watchAfter)
	}
}

// arm starts the timer again when the request's body has ended. Until then the body's
// reader notices if the client goes away.
func (w *watcher) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		w.timer.Reset(watchAfter)
	}
}

// look reads from the connection as long as a request is in flight. It runs in the
// timer's goroutine.
func (w *watcher) look() {
	x := w.x
	w.mu.Lock()
	if !w.on || w.ended != nil || x.body.state.Load() != bodyDone || len(x.in.Buffered()) > 0 {
		w.mu.Unlock()
		return // including a client that has sent the next request: it has not gone
	}
	ended := make(chan struct{})
	w.ended = ended
	x.in.lend(x.s.blocks.get()) // the body may be in the current one
	_ = x.c.SetReadDeadline(time.Time{})
	w.mu.Unlock()
	defer close(ended)
	for {
		err := x.in.Fill(block)
		switch {
		case err == nil:
			continue
		case errors.Is(err, errFull), errors.Is(err, io.ErrNoProgress), errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, io.EOF) && len(x.in.Buffered()) > 0:
		case errors.Is(err, io.EOF):
			w.half()
		default:
			w.gone(gateway.ErrClientGone)
		}
		return
	}
}

// stop ends the watch. The watcher does not read from the connection afterwards.
func (w *watcher) stop() {
	if w.timer == nil {
		return
	}
	w.timer.Stop()
	w.mu.Lock()
	w.on = false
	ended := w.ended
	w.ended = nil
	if ended != nil {
		_ = w.x.c.SetReadDeadline(pastDeadline) // ends the read
	}
	w.mu.Unlock()
	if ended != nil {
		<-ended
		w.x.readBy = pastDeadline
	}
}
