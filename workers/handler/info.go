package handler

import "context"

// Info describes the worker that a handler runs in.
type Info struct {
	ID         int // 1..N, reused by a successor
	PID        int
	Generation int    // of code and config; 1 at the start, and one more with each reload
	Requests   uint64 // begun by this worker, including those in flight
}

// Reopener is a handler that writes log files of its own. Reopen is called when
// they have been renamed (USR1), in a separate goroutine.
type Reopener interface {
	Reopen() error
}

type infoKey struct{}

// FromContext returns the worker that serves a request, from the request's
// context. It returns false outside gonicorn.
func FromContext(ctx context.Context) (Info, bool) {
	p, ok := ctx.Value(infoKey{}).(*process)
	if !ok {
		return Info{}, false
	}
	info := p.info
	info.Requests = p.meter.Requests()
	return info, true
}
