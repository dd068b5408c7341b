package proc

import "time"

// OwnGrace is how much of a graceful_timeout one of gonicorn's own processes uses
// to finish. It then ends by itself, and logs what it drops, just before it would
// be killed.
func OwnGrace(graceful time.Duration) time.Duration {
	return graceful - min(500*time.Millisecond, graceful/5)
}
