package workers

import "context"

// Threaded serves at most Limits.Threads requests at once and keeps connections
// alive between them. A connection without a request gives its thread back, and
// its next request waits until a thread is free. While all threads are busy, it
// accepts nothing, so new clients go to a worker that has a free thread.
type Threaded struct{}

// Name implements Class.
func (Threaded) Name() string { return "threaded" }

// Aliases implements Class, with Gunicorn's name.
func (Threaded) Aliases() []string { return []string{"gthread"} }

// Capacity implements Class.
func (Threaded) Capacity(l Limits) int { return max(l.Threads, 1) }

// Alive implements Class.
func (Threaded) Alive() Liveness { return RequestAge | Heartbeat }

// Serve implements Class.
func (c Threaded) Serve(ctx context.Context, s *Session) error {
	places := c.Capacity(s.Limits)
	return serveHTTP(ctx, s, policy{
		places: places, open: max(s.Limits.Connections, places), keepalive: true, lends: true,
	})
}
