package proc

import "time"

// OwnGrace is how long a process of gonicorn's own takes to finish of a
// graceful_timeout: it ends by itself, and says what it drops, a moment before
// it would be killed.
func OwnGrace(graceful time.Duration) time.Duration {
	return graceful - min(500*time.Millisecond, graceful/5)
}
