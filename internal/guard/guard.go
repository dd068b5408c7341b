// Package guard is the process that ends the workers if the arbiter is killed.
package guard

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// EnvLogFormat is the environment variable with log_format, for the guard.
const EnvLogFormat = "GONICORN_GUARD_LOG_FORMAT"

// guardThreads is how many threads the guard may need to wait for a pipe and a timer.
// They are made early: the guard must not crash at the system's limit of threads.
const guardThreads = 4

// Main runs the guard and returns its exit code.
func Main() int {
	fd := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		if err != nil {
			return -1
		}
		return n
	}
	if err := proc.Conceal(); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	children, err := scoreboard.OpenRegister(fd(wire.EnvChildren))
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	counts, err := scoreboard.Open(fd(wire.EnvCounts))
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	proc.ReserveThreads(guardThreads)
	graceful, err := strconv.ParseInt(os.Getenv(wire.EnvWorker), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	log := slog.New(logging.NewHandler(logging.Descriptor(fd(wire.EnvLog)), logging.Options{JSON: os.Getenv(EnvLogFormat) == "json"}))
	return proc.RunGuard(children, counts, fd(wire.EnvLifeline), time.Duration(graceful), func(arbiter int) {
		log.Error("the arbiter was killed: workers finish what they have in flight, within graceful_timeout, and then nothing of this "+
			"gonicorn is left; start it again", "arbiter", arbiter, "graceful_timeout", time.Duration(graceful).String(), "code", "GON050")
	})
}
