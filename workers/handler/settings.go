// Package handler is the worker process of a Go http.Handler. It serves on
// inherited sockets, writes to the scoreboard, and obeys the arbiter's signals.
package handler

import (
	"net/http"
	"time"
)

// Settings is the part of the config that a worker needs. It is passed as JSON in
// GONICORN_WORKER. Durations are nanoseconds.
type Settings struct {
	Class             string // a name or alias
	Threads           int
	WorkerConnections int
	Keepalive         time.Duration // 0 is one request per connection
	HeaderTimeout     time.Duration // 0 is 30 s, less than 0 is no limit
	MaxHeaderBytes    int           // of a request's head; 0 is 64 KiB
	Timeout           time.Duration // 0 is off
	GracefulTimeout   time.Duration
	Headers           [][2]string   // fields to add to each response
	Undated           bool          // add no Date field
	RequestWarning    time.Duration // a request without an answer for this long is reported in the log; 0 is off
}

const (
	defaultHeaderTimeout  = 30 * time.Second
	defaultMaxHeaderBytes = 64 << 10
)

// headerTimeout converts HeaderTimeout for net/http, where 0 is no limit.
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

// heartbeat is how often the worker shows that it is alive: several times within
// timeout, so that one late heartbeat is no reason to kill it.
func (s Settings) heartbeat() time.Duration {
	if s.Timeout <= 0 {
		return time.Second
	}
	return min(time.Second, max(s.Timeout/4, time.Millisecond))
}

// dressed wraps a handler so that its responses have the fields in the settings.
func (s Settings) dressed(h http.Handler) http.Handler {
	if h == nil || len(s.Headers) == 0 && !s.Undated {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, field := range s.Headers {
			w.Header().Add(field[0], field[1])
		}
		if s.Undated {
			w.Header()["Date"] = nil // then net/http adds none
		}
		h.ServeHTTP(w, r)
	})
}
