package workers

import "context"

// Sync serves one connection at a time, with one request on it. It is for apps
// that cannot run two requests at once. While it is busy it accepts nothing, so
// the next client waits in the kernel's backlog, where any other worker can take
// it.
type Sync struct{}

// Name implements Class.
func (Sync) Name() string { return "sync" }

// Aliases implements Class.
func (Sync) Aliases() []string { return nil }

// Capacity implements Class.
func (Sync) Capacity(Limits) int { return 1 }

// Alive implements Class.
func (Sync) Alive() Liveness { return RequestAge | Heartbeat }

// Serve implements Class.
func (Sync) Serve(ctx context.Context, s *Session) error {
	return serveHTTP(ctx, s, policy{places: 1})
}
