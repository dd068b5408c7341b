package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/hooks"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"golang.org/x/sys/unix"
)

// heritage is what PID 1 hands to itself when it becomes another binary by
// execve(2): its end would be the container's. It keeps its children: they serve
// until those of the new binary do.
type heritage struct {
	Gateways []int         `json:"gateways"` // pids
	Alive    int           `json:"alive"`    // descriptor; the children finish when it is closed
	Outputs  []launch.Pipe `json:"outputs"`
	Grace    time.Duration `json:"grace"` // for the gateways to finish
	Old      int           `json:"old"`   // descriptor of the binary before, to go back to
	Back     bool          `json:"back"`  // that is what has happened

	sockets []sockets.Handed // copies, to go back with
	retired chan struct{}    // closed once the children have been told to finish
}

// checkTime bounds how long a new binary may take to say that the config is good.
const checkTime = time.Minute

// become has this process become the binary that is there now. It returns only
// when that cannot be.
func (s *supervisor) become(ctx context.Context) error {
	path, err := s.binary()
	if err != nil {
		return err
	}
	s.hooks.Tell(hooks.Event{Event: "pre_exec"})
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := exec.CommandContext(checking, path, slices.Concat([]string{"--check-config"}, s.args[1:])...)
	if out, err := s.host.Helpers.Output(check); err != nil {
		return fmt.Errorf("the new binary does not take the config: %w %s", err, out)
	}
	status, err := s.arbiter.Status(ctx)
	if err != nil {
		return err
	}
	h := heritage{Alive: s.host.Alive, Grace: s.grace}
	for _, w := range status.Workers {
		if w.Role == "gateway" {
			h.Gateways = append(h.Gateways, w.PID)
		}
	}
	if h.Old, err = unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("keep the old binary: %w", err)
	}
	s.log.Info("becoming the binary that is there now", "path", path)
	return s.execute(path, h, s.handDown())
}

// execute becomes another binary, with everything that it needs kept open.
func (s *supervisor) execute(path string, h heritage, handed []sockets.Handed) error {
	return s.host.Pipes(func(all []launch.Pipe) error {
		h.Outputs = all
		return s.executeWith(path, h, handed)
	})
}

func (s *supervisor) executeWith(path string, h heritage, handed []sockets.Handed) error {
	keep := []int{h.Alive, h.Old}
	for _, pipe := range h.Outputs {
		keep = append(keep, pipe.FD)
	}
	for _, sock := range handed {
		keep = append(keep, sock.FD)
	}
	text, err := json.Marshal(handover{Sockets: handed, Heritage: &h})
	if err != nil {
		return fmt.Errorf("encode handover: %w", err)
	}
	for _, fd := range keep {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("keep descriptor %d: %w", fd, err)
		}
	}
	if s.logs != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		s.logs.Flush(ctx)
		cancel()
	}
	err = syscall.Exec(path, s.args, append(os.Environ(), envHandover+"="+string(text)))
	for _, fd := range keep {
		unix.CloseOnExec(fd)
	}
	return fmt.Errorf("execute %s: %w", path, err)
}

// succeed takes the heritage over: what the children write goes on to the log,
// and the sockets are kept in case of going back.
func (s *supervisor) succeed(h *heritage, handed []sockets.Handed) {
	h.retired = make(chan struct{})
	s.heritage = h
	for _, sock := range handed {
		if fd, err := unix.FcntlInt(uintptr(sock.FD), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			h.sockets = append(h.sockets, sockets.Handed{FD: fd, Bind: sock.Bind, Admin: sock.Admin})
		}
	}
	for _, o := range h.Outputs {
		s.host.Read(o.Role, o.FD, o.ID, o.PID)
	}
}

// beside reports whether the children of another binary still serve at the same
// sockets.
func (s *supervisor) beside() bool {
	s.mu.Lock()
	replaces := s.replaces != 0
	s.mu.Unlock()
	if replaces || s.heritage == nil {
		return replaces
	}
	select {
	case <-s.heritage.retired:
		return false
	default:
		return true
	}
}

// retireOld ends the children of the binary before: first the gateways, which
// need the workers to finish; the others see the end of their lifeline.
func (s *supervisor) retireOld() {
	h := s.heritage
	if h == nil {
		return
	}
	s.wg.Go(func() {
		for _, pid := range h.Gateways {
			_ = proc.Signal(pid, syscall.SIGTERM) // one that is gone is what we want
		}
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		late := time.NewTimer(h.Grace)
		defer late.Stop()
		alive := func(pid int) bool { return proc.Signal(pid, 0) == nil }
		for slices.ContainsFunc(h.Gateways, alive) {
			select {
			case <-look.C:
				continue
			case <-late.C:
			case <-s.host.Stopped:
			}
			for _, pid := range h.Gateways {
				_ = proc.Signal(pid, syscall.SIGKILL)
			}
			break
		}
		unix.Close(h.Alive)
		unix.Close(h.Old)
		for _, sock := range h.sockets {
			unix.Close(sock.FD)
		}
		close(h.retired)
		s.log.Info("the children of the binary before have been told to finish")
	})
}

// goBack becomes the binary before again when this one does not serve. It
// returns only when there is none, or that cannot be.
func (s *supervisor) goBack(why error) {
	h := s.heritage
	if h == nil || h.Back || why == nil {
		return
	}
	select {
	case <-h.retired:
		return
	default:
	}
	if s.log != nil {
		s.log.Error("the new binary does not serve: going back to the one before", "error", why)
	}
	back := *h
	back.Back = true
	err := s.execute(fmt.Sprintf("/proc/self/fd/%d", h.Old), back, h.sockets)
	if s.log != nil {
		s.log.Error("cannot go back", "error", errors.Join(err, why))
	}
}
