package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

// firstSocket is where inherited sockets begin (sd_listen_fds(3)).
const firstSocket = 3

var errNoNumber = errors.New("gonicorn starts workers itself; this variable holds no number")

// inherit takes over what the arbiter handed down and cleans the environment,
// so that the app's own children do not mistake it for theirs.
func (p *process) inherit(classes []workers.Class) error {
	env := map[string]string{}
	for _, name := range []string{
		wire.EnvRole, wire.EnvWorker, wire.EnvBoard, wire.EnvSlot, wire.EnvLifeline, wire.EnvNotifySocket,
		wire.EnvWatchdogUsec, wire.EnvWatchdogPID, wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames,
	} {
		env[name] = os.Getenv(name)
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("clean environment: %w", err)
		}
	}
	p.notify = env[wire.EnvNotifySocket]
	if err := json.Unmarshal([]byte(env[wire.EnvWorker]), &p.settings); err != nil {
		return fmt.Errorf("read settings in %s: %w", wire.EnvWorker, err)
	}
	var found bool
	if p.class, found = workers.Lookup(classes, p.settings.Class); !found {
		return fmt.Errorf("find worker class %q: %w", p.settings.Class, errors.ErrUnsupported)
	}
	p.info.ID, _ = strconv.Atoi(os.Getenv(wire.EnvWorkerID)) // for people only, and the app's to read
	p.info.Generation, _ = strconv.Atoi(os.Getenv(wire.EnvGeneration))
	return p.takeDescriptors(env)
}

func (p *process) takeDescriptors(env map[string]string) error {
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
	if p.board, err = scoreboard.Open(board); err != nil {
		return err
	}
	p.meter = workers.NewMeter(p.board.Slot(slot))
	p.slot = p.board.Slot(slot)
	p.lifeline = proc.Lifeline(lifeline)
	sockets, _ := strconv.Atoi(env[wire.EnvListenFDs]) // none without it
	p.listeners, err = listen.FromFDs(firstSocket, sockets)
	return err
}
