// Package inherited takes over what the arbiter has handed down to a process
// of this binary: settings, the scoreboard, sockets, and the lifeline.
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
	Notify         string // NOTIFY_SOCKET
	Board          *scoreboard.Board
	Slot           *scoreboard.Slot
	Lifeline       <-chan struct{} // closed when the arbiter is gone
	Listeners      []net.Listener
	Control        int    // the socket to the arbiter; -1 without one
	Epoch          uint64 // counts gateways, from 1
	Log            int    // the error log, once the arbiter is gone; -1 without it
	Patient        bool   // a gateway accepts nothing before a worker is ready
}

// Take takes over everything and cleans the environment, so that neither the
// app nor children mistake it for theirs. What it could read is there even when
// it fails: at least Notify, to say so.
func Take() (*Process, error) {
	env := map[string]string{}
	for _, name := range []string{
		wire.EnvRole, wire.EnvWorker, wire.EnvBoard, wire.EnvSlot, wire.EnvLifeline, wire.EnvControl, wire.EnvEpoch, wire.EnvPatient, wire.EnvLog, wire.EnvNotifySocket,
		wire.EnvWatchdogUsec, wire.EnvWatchdogPID, wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames,
	} {
		env[name] = os.Getenv(name)
		if err := os.Unsetenv(name); err != nil {
			return &Process{}, fmt.Errorf("clean environment: %w", err)
		}
	}
	p := &Process{Settings: []byte(env[wire.EnvWorker]), Notify: env[wire.EnvNotifySocket], Control: -1, Log: -1}
	p.ID, _ = strconv.Atoi(os.Getenv(wire.EnvWorkerID)) // for people only, and the app's to read
	p.Generation, _ = strconv.Atoi(os.Getenv(wire.EnvGeneration))
	p.Patient = env[wire.EnvPatient] != ""
	p.Epoch, _ = strconv.ParseUint(env[wire.EnvEpoch], 10, 24) // a gateway's
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
	var numbers [3]int
	for i, name := range []string{wire.EnvBoard, wire.EnvSlot, wire.EnvLifeline} {
		n, err := strconv.Atoi(env[name])
		if err != nil || n < 0 {
			return fmt.Errorf("read %s=%q: %w", name, env[name], errNoNumber)
		}
		numbers[i] = n
	}
	board, slot, lifeline := numbers[0], numbers[1], numbers[2]
	if slot >= scoreboard.Slots {
		return fmt.Errorf("read %s=%d: %w", wire.EnvSlot, slot, os.ErrInvalid)
	}
	var err error
	if p.Board, err = scoreboard.Open(board); err != nil {
		return err
	}
	p.Slot = p.Board.Slot(slot)
	p.Lifeline = proc.Lifeline(lifeline)
	sockets, _ := strconv.Atoi(env[wire.EnvListenFDs]) // none without it
	p.Listeners, err = listen.FromFDs(firstSocket, sockets)
	return err
}
