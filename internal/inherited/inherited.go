// Package inherited takes over what the arbiter has passed to a process of this
// binary: settings, the scoreboard, sockets, and the lifeline.
package inherited

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// firstSocket is where inherited sockets begin (sd_listen_fds(3)).
const firstSocket = 3

var errNoNumber = errors.New("gonicorn starts this process itself; the variable holds no number")

// Process is what a process has inherited.
type Process struct {
	Settings       []byte // JSON
	ID, Generation int
	Notify         string               // NOTIFY_SOCKET
	Slot           *scoreboard.Slot     // this process's own
	Board          *scoreboard.Board    // only for a gateway; else nil
	Children       *scoreboard.Register // likewise: the processes that it ends if arbiter and guard were killed
	Lifeline       <-chan struct{}      // closed when the arbiter is gone
	Listeners      []net.Listener
	Control        int    // the socket to the arbiter; -1 without one
	RequestPipe    [2]int // both ends of the pipe from which all workers take requests; -1 without one
	Epoch          uint64 // counts gateways, from 1
	Log            int    // the error log, for use once the arbiter is gone; -1 without it
	Patient        bool   // the gateway accepts no connections before a worker is ready
}

// Take takes over everything and removes the variables from the environment, so that
// neither the app nor children use them by mistake. Even after an error the result has
// what could be read, usually at least Notify, to report the error.
func Take() (*Process, error) {
	env := map[string]string{}
	for _, name := range []string{
		wire.EnvRole, wire.EnvWorker, wire.EnvPage, wire.EnvCounts, wire.EnvChildren, wire.EnvLifeline, wire.EnvControl, wire.EnvRequestPipeRead, wire.EnvRequestPipeWrite, wire.EnvEpoch, wire.EnvPatient, wire.EnvLog, wire.EnvNotifySocket,
		wire.EnvWatchdogUsec, wire.EnvWatchdogPID, wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames,
	} {
		env[name] = os.Getenv(name)
		if err := os.Unsetenv(name); err != nil {
			return &Process{}, fmt.Errorf("clean environment: %w", err)
		}
	}
	p := &Process{Settings: []byte(env[wire.EnvWorker]), Notify: env[wire.EnvNotifySocket], Control: -1, RequestPipe: [2]int{-1, -1}, Log: -1}
	p.ID, _ = strconv.Atoi(os.Getenv(wire.EnvWorkerID)) // only for people; the app may read the variable
	p.Generation, _ = strconv.Atoi(os.Getenv(wire.EnvGeneration))
	p.Patient = env[wire.EnvPatient] != ""
	p.Epoch, _ = strconv.ParseUint(env[wire.EnvEpoch], 10, 24) // only for a gateway
	if fd, err := strconv.Atoi(env[wire.EnvLog]); err == nil {
		p.Log = fd
		syscall.CloseOnExec(fd)
	}
	if text := env[wire.EnvControl]; text != "" {
		var err error
		if p.Control, err = strconv.Atoi(text); err != nil {
			return p, fmt.Errorf("read %s=%q: %w", wire.EnvControl, text, errNoNumber)
		}
	}
	return p, p.take(env)
}

func (p *Process) take(env map[string]string) error {
	number := func(name string) (int, error) {
		n, err := strconv.Atoi(env[name])
		if err != nil || n < 0 {
			return 0, fmt.Errorf("read %s=%q: %w", name, env[name], errNoNumber)
		}
		return n, nil
	}
	own, err := number(wire.EnvPage)
	if err != nil {
		return err
	}
	lifeline, err := number(wire.EnvLifeline)
	if err != nil {
		return err
	}
	page, err := scoreboard.OpenPage(own)
	if err != nil {
		return err
	}
	p.Slot = page.Slot() // stays mapped until the process ends
	if env[wire.EnvCounts] != "" {
		counts, err := number(wire.EnvCounts)
		if err != nil {
			return err
		}
		if p.Board, err = scoreboard.Open(counts); err != nil {
			return err
		}
	}
	if env[wire.EnvChildren] != "" {
		children, err := number(wire.EnvChildren)
		if err != nil {
			return err
		}
		if p.Children, err = scoreboard.OpenRegister(children); err != nil {
			return err
		}
	}
	for i, name := range [...]string{wire.EnvRequestPipeRead, wire.EnvRequestPipeWrite} {
		if env[name] == "" {
			continue
		}
		if p.RequestPipe[i], err = number(name); err != nil {
			return err
		}
		syscall.CloseOnExec(p.RequestPipe[i])
	}
	p.Lifeline = proc.Lifeline(lifeline)
	sockets, _ := strconv.Atoi(env[wire.EnvListenFDs]) // 0 without the variable
	p.Listeners, err = listen.FromFDs(firstSocket, sockets)
	return err
}
