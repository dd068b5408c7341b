package gatewaytest

import (
	"testing"
	"time"
)

// Wait waits for a channel.
func Wait[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s: nothing happens", what)
		panic("not reached")
	}
}
