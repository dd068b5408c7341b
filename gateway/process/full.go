package process

import (
	"log/slog"
	"time"
)

// Waiting requests are not logged for a short burst, and not all the time.
const (
	fullAfter = time.Second
	fullEvery = 10 * time.Minute
)

// full logs that all places of the workers are taken and requests wait. Without that
// line it would look like a slow app. It belongs to the goroutine that calls look.
type full struct {
	log  *slog.Logger
	told time.Time
}

func (f *full) look(waiting int, oldest time.Duration, workers int, now time.Time) {
	if waiting == 0 || oldest < fullAfter || workers == 0 || !f.told.IsZero() && now.Sub(f.told) < fullEvery {
		return
	}
	f.told = now
	f.log.Warn("all places of the workers are taken and requests wait; what to do: more workers (-w), or more requests at a time in each "+
		"(-k threaded --threads 8, -k event-loop, --worker-connections)",
		"waiting", waiting, "oldest", oldest.Round(time.Millisecond).String(), "workers", workers)
}
