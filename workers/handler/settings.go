// Package handler is the worker process of a Go http.Handler: it serves on
// inherited sockets, keeps the scoreboard, and obeys the arbiter's signals.
package handler

import (
	"net/http"
	"time"
)

// Settings is what a worker needs of the config. It travels as JSON in
// GONICORN_WORKER; durations are nanoseconds.
type Settings struct {
	Class             string // a name or alias
	Threads           int
	WorkerConnections int
	Keepalive         time.Duration // 0 serves one request a connection
	HeaderTimeout     time.Duration // 0 is 30 s, less than 0 no bound
	MaxHeaderBytes    int           // of a request's head; 0 is 64 KiB
	Timeout           time.Duration // 0 is off
	GracefulTimeout   time.Duration
	Headers           [][2]string   // fields that each response has
	Undated           bool          // no Date field but the app's
	RequestWarning    time.Duration // a request without an answer for so long is explained in the log; 0 is off
}

const (
	defaultHeaderTimeout  = 30 * time.Second
	defaultMaxHeaderBytes = 64 << 10
)

// headerTimeout is HeaderTimeout as net/http has it, where 0 is no bound.
func (s Settings) headerTimeout() time.Duration {
	if s.HeaderTimeout == 0 {
		return defaultHeaderTimeout
	}
	return max(s.HeaderTimeout, 0)
}

func (s Settings) maxHeaderBytes() int {
	if s.MaxHeaderBytes <= 0 {
		return defaultMaxHeaderBytes
	}
	return s.MaxHeaderBytes
}

// heartbeat is how often the worker shows that it lives: several times within
// timeout, so that one that comes late is no reason to kill.
func (s Settings) heartbeat() time.Duration {
	if s.Timeout <= 0 {
		return time.Second
	}
	return min(time.Second, max(s.Timeout/4, time.Millisecond))
}

// dressed is a handler whose responses have the fields that the settings want.
func (s Settings) dressed(h http.Handler) http.Handler {
	if h == nil || len(s.Headers) == 0 && !s.Undated {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, field := range s.Headers {
			w.Header().Add(field[0], field[1])
		}
		if s.Undated {
			w.Header()["Date"] = nil // net/http adds none then
		}
		h.ServeHTTP(w, r)
	})
}
