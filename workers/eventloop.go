package workers

import "context"

// EventLoop serves up to Limits.Connections connections at once, each in its own
// goroutine. The Go runtime is the event loop: a connection that waits costs no
// thread. A request may take any time, and the worker is alive as long as the
// runtime schedules goroutines.
type EventLoop struct{}

// Name implements Class.
func (EventLoop) Name() string { return "event-loop" }

// Aliases implements Class, with the asynchronous workers of Gunicorn and uvicorn.
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
