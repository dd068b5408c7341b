package proxy

import (
	"errors"
	"time"
)

const (
	scratchSize = 64 << 10 // what is read of a body at once, on the loop
	keepSpare   = 64       // responses that are kept to be used again

	// lateAfter is how long the loop keeps a head back whose body does not begin.
	lateAfter = 20 * time.Millisecond
	// blocksAfter is when an answer is read on for which all blocks were in use.
	blocksAfter = 20 * time.Millisecond
)

// errNoAddress says that a worker's address is a name.
var errNoAddress = errors.New("no numeric address")

// prepareLoop makes what the loop needs.
func (b *Backend) prepareLoop() {
	if b.Loop == nil {
		return
	}
	b.scratch = make([]byte, scratchSize)
	b.dialing = b.Loop.Deadlines(b.DialTimeout)
	b.unused = b.Loop.Deadlines(b.IdleTimeout)
	b.late, b.noBlocks = b.Loop.Deadlines(lateAfter), b.Loop.Deadlines(blocksAfter)
}

// takeResponse lends a response that is read from l.
func (b *Backend) takeResponse(l *loopConn) (r *response) {
	if n := len(b.pooled); n > 0 {
		r = b.pooled[n-1]
		b.pooled = b.pooled[:n-1]
	} else {
		r = newResponse()
	}
	r.src = l
	return r
}

func (b *Backend) giveResponse(r *response) {
	if len(b.pooled) < keepSpare {
		r.recycle()
		b.pooled = append(b.pooled, r)
	}
}

// onLoop has f called on the loop's goroutine, if there is one.
func (b *Backend) onLoop(f func()) {
	if b.Loop != nil {
		b.Loop.Post(f)
	}
}

// closeIdleLinks closes the loop's idle connections.
func (w *worker) closeIdleLinks() {
	for len(w.links.idle) > 0 {
		w.links.idle[0].close()
	}
}

// abandonLinks has goroutines read what is left to be read of a process that is
// gone.
func (w *worker) abandonLinks() {
	for l := range w.links.all {
		if l.call != nil {
			l.call.Promote()
		} else {
			l.close()
		}
	}
}
