package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// delivery is a frame and the memory that its payload is in.
type delivery struct {
	wire.Frame
	memory *memory // nil if the payload is not in one
	fd     int     // the descriptor that came with it, or -1

	handover *handover // if set, this is not a frame: the app has written a head to its socket
}

// overdraft is how many bytes beyond its window a worker may send: it may always finish
// the message that it has begun.
const overdraft = 2 * wire.MaxMessage

var errFlood = fmt.Errorf("more than %d bytes beyond what was asked for: %w", overdraft, ErrMalformed)

// room returns memory for a payload of n bytes. Only the exchange's link calls it.
func (x *Exchange) room(n int) []byte {
	if f := &x.first; !f.filled && n <= len(f.p) {
		f.filled = true
		return f.p[:0]
	}
	return make([]byte, 0, n)
}

// deliver hands over a frame. It reports whether it took the memory and the
// descriptor.
func (x *Exchange) deliver(l *Link, d delivery) bool {
	x.mu.Lock()
	if x.over = x.over || d.End(); x.over && x.handover != nil {
		x.handover.over()
	}
	if x.left || x.failure != nil {
		x.mu.Unlock()
		if !d.End() {
			x.cancel()
		}
		return false
	}
	x.begun = x.begun || d.Kind == wire.FrameHead || d.Kind == wire.FrameAccept
	if d.Kind == wire.FrameHead && d.AppTime > 0 {
		x.claimed = max(time.Since(x.began)-d.AppTime.Duration(), 0)
	}
	x.bytes += len(d.Payload)
	if x.bytes > wire.MemoryWindow+overdraft {
		e := &gateway.WorkerError{Err: errFlood}
		if l != nil {
			e.Slot, e.PID = l.Slot, l.PID
		}
		x.failure = e
	} else {
		x.waiting = append(x.waiting, d)
	}
	x.mu.Unlock()
	x.poke()
	return true
}

func (x *Exchange) fail(err error) {
	x.mu.Lock()
	x.failure = err
	x.mu.Unlock()
	x.poke()
}

func (x *Exchange) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// next returns the next frame. It waits if there is none, and then calls idle first.
func (x *Exchange) next(ctx context.Context, idle func() error) (delivery, error) {
	for {
		x.mu.Lock()
		if len(x.waiting) > 0 {
			d := x.waiting[0]
			x.waiting[0] = delivery{}
			x.waiting = x.waiting[1:]
			x.bytes -= len(d.Payload)
			x.mu.Unlock()
			return d, nil
		}
		err := x.failure
		x.mu.Unlock()
		if err != nil {
			return delivery{}, err
		}
		if err := idle(); err != nil {
			return delivery{}, err
		}
		select {
		case <-x.wake:
		case <-ctx.Done():
			return delivery{}, context.Cause(ctx)
		}
	}
}

// taken gives the worker credit for n bytes that were sent to the client.
func (x *Exchange) taken(n int) {
	x.credit += n
	if x.credit >= wire.Window/2 {
		if link := x.Link(); link != nil {
			link.Credit(x.Number, x.credit)
		}
		x.credit = 0
	}
}

// workerError returns err as an error of the worker that has the exchange.
func (x *Exchange) workerError(err error) error {
	e := &gateway.WorkerError{Err: err}
	if link := x.Link(); link != nil {
		e.Slot, e.PID = link.Slot, link.PID
	}
	return e
}

func isMalformed(err error) bool {
	return errors.Is(err, ErrMalformed) || errors.Is(err, wire.ErrFrame)
}
