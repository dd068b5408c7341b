package handler

import "context"

// Info is what a handler can learn of the worker that it runs in.
type Info struct {
	ID         int // 1..N, reused by a successor
	PID        int
	Generation int    // of code and config, counts reloads from 1
	Requests   uint64 // begun by this worker, the one in flight included
}

// Reopener is a handler that writes files of its own: Reopen is called when
// they have been renamed (USR1), from a goroutine of its own.
type Reopener interface {
	Reopen() error
}

type infoKey struct{}

// FromContext returns the worker that serves a request, from the request's
// context; false outside gonicorn.
func FromContext(ctx context.Context) (Info, bool) {
	p, ok := ctx.Value(infoKey{}).(*process)
	if !ok {
		return Info{}, false
	}
	info := p.info
	info.Requests = p.meter.Requests()
	return info, true
}
