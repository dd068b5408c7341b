package proc

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
)

// Helpers runs children that the Reaper of this process must not reap, because
// other code waits for them. It is safe for concurrent use. A nil Helpers can only
// run commands with Output.
type Helpers struct {
	done func()

	mu   sync.Mutex
	pids map[int]bool
}

// NewHelpers makes a Helpers. done, which may be nil, is called when a child has
// been waited for or released: the Reaper should then look for children again.
func NewHelpers(done func()) *Helpers {
	return &Helpers{done: done, pids: map[int]bool{}}
}

// Output runs a command and returns its standard output, like exec.Cmd.Output. The
// caller takes care of standard error.
func (h *Helpers) Output(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := h.start(cmd); err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	err := cmd.Wait()
	h.end(cmd.Process.Pid)
	return out.Bytes(), err // an *exec.ExitError, as in exec.Cmd.Output
}

// Start starts a process that the Reaper leaves alone. wait, which must be called
// once, waits until it ends.
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

// Release hands a process from Start over to the Reaper. wait must not be called
// any more.
func (h *Helpers) Release(pid int) { h.end(pid) }

// start holds the lock while the process starts, so that the Reaper cannot find the
// process before its pid is known here.
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

// has reports whether other code waits for this child.
func (h *Helpers) has(pid int) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pids[pid]
}
