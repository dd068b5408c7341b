package workers

import "context"

// EventLoop serves up to Limits.Connections connections at once, each in a
// goroutine of its own: Go's run time is the event loop, and a connection that
// waits for anything costs no thread. A request may take any time; the worker
// is alive as long as its run time is.
type EventLoop struct{}

// Name implements Class.
func (EventLoop) Name() string { return "event-loop" }

// Aliases implements Class: the asynchronous workers of Gunicorn and Uvicorn.
func (EventLoop) Aliases() []string {
	return []string{
		"asgi", "tornado",
		"uvicorn.workers.UvicornWorker", "uvicorn.workers.UvicornH11Worker",
		"uvicorn_worker.UvicornWorker", "uvicorn_worker.UvicornH11Worker",
	}
}

// Capacity implements Class.
func (EventLoop) Capacity(l Limits) int { return max(l.Connections, 1) }

// Alive implements Class.
func (EventLoop) Alive() Liveness { return Heartbeat }

// Serve implements Class.
func (c EventLoop) Serve(ctx context.Context, s *Session) error {
	return serveHTTP(ctx, s, policy{places: c.Capacity(s.Limits), keepalive: true})
}
