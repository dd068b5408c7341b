package proc

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
)

// Helpers runs short commands by os/exec in a process whose Reaper waits for
// every child: it leaves these to those who wait for them. It is safe for
// concurrent use; a nil one just runs commands.
type Helpers struct {
	done func()

	mu   sync.Mutex
	pids map[int]bool
}

// NewHelpers makes a Helpers. done, which may be nil, is called when a command
// has been waited for: children whose end it hid can be reaped then.
func NewHelpers(done func()) *Helpers {
	return &Helpers{done: done, pids: map[int]bool{}}
}

// Output runs a command and returns what it writes, as exec.Cmd.Output does,
// except that standard error is the caller's business.
func (h *Helpers) Output(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := h.start(cmd); err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	err := cmd.Wait()
	h.end(cmd.Process.Pid)
	return out.Bytes(), err // an *exec.ExitError, as from Output
}

// Start starts a process that is not the arbiter's to reap; wait, which must be
// called once, waits for its end.
func (h *Helpers) Start(s Spec) (pid int, wait func() Exit, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if pid, err = Start(s); err != nil {
		return 0, nil, err
	}
	h.pids[pid] = true
	wait = func() Exit {
		e := waitBlocking(pid)
		h.end(pid)
		return e
	}
	return pid, wait, nil
}

// Release leaves a process that Start has started to the reaper. Nobody may wait
// for it here any more.
func (h *Helpers) Release(pid int) { h.end(pid) }

// start holds the lock while the process starts, so that the reaper cannot meet
// it before it is known.
func (h *Helpers) start(cmd *exec.Cmd) error {
	if h == nil {
		return cmd.Start() // wrapped by Output
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	err := cmd.Start()
	if err == nil {
		h.pids[cmd.Process.Pid] = true
	}
	return err // wrapped by Output
}

func (h *Helpers) end(pid int) {
	if h == nil {
		return
	}
	h.mu.Lock()
	delete(h.pids, pid)
	h.mu.Unlock()
	if h.done != nil {
		h.done()
	}
}

// has reports whether somebody else waits for this child.
func (h *Helpers) has(pid int) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pids[pid]
}
