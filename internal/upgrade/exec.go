package upgrade

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

	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"golang.org/x/sys/unix"
)

// execHandover is what PID 1 passes to itself when it becomes another binary by
// execve(2). It cannot be replaced by another process, because its end would end
// the container. Its children serve until those of the new binary do.
type execHandover struct {
	Gateways []int         `json:"gateways"` // pids
	Alive    int           `json:"alive"`    // descriptor of the lifeline; the children finish when it is closed
	Outputs  []launch.Pipe `json:"outputs"`
	Grace    time.Duration `json:"grace"` // how long the gateways may take to finish
	Old      int           `json:"old"`   // descriptor of the previous binary, to go back to
	Back     bool          `json:"back"`  // this process went back

	sockets []sockets.Handed // copies, for going back
	retired chan struct{}    // closed once the children have been told to finish
}

// checkTime bounds how long a new binary may take to check the config.
const checkTime = time.Minute

// become replaces the program of this process by the current binary. It returns
// only if that fails.
func (u *Upgrader) become(ctx context.Context) error {
	path, err := u.binary()
	if err != nil {
		return err
	}
	u.Begin()
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := exec.CommandContext(checking, path, slices.Concat([]string{"--check-config"}, u.Args[1:])...)
	if out, err := u.Host.Helpers.Output(check); err != nil {
		return fmt.Errorf("the new binary rejects the config: %w %s", err, out)
	}
	h := execHandover{Alive: u.Host.Alive, Grace: u.Grace}
	if h.Gateways, err = u.Gateways(ctx); err != nil {
		return err
	}
	if h.Old, err = unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("keep the old binary: %w", err)
	}
	u.Log.Info("replacing this process with the current binary", "path", path)
	return u.execute(path, h, u.HandDown())
}

// execute becomes another binary. Everything that it needs stays open.
func (u *Upgrader) execute(path string, h execHandover, handed []sockets.Handed) error {
	return u.Host.Pipes(func(all []launch.Pipe) error {
		h.Outputs = all
		return u.executeWith(path, h, handed)
	})
}

func (u *Upgrader) executeWith(path string, h execHandover, handed []sockets.Handed) error {
	keep := []int{h.Alive, h.Old}
	for _, pipe := range h.Outputs {
		keep = append(keep, pipe.FD)
	}
	for _, sock := range handed {
		keep = append(keep, sock.FD)
	}
	text, err := json.Marshal(Handover{Sockets: handed, Exec: &h})
	if err != nil {
		return fmt.Errorf("encode handover: %w", err)
	}
	for _, fd := range keep {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("keep descriptor %d: %w", fd, err)
		}
	}
	flushing, cancel := context.WithTimeout(context.Background(), time.Second)
	u.Host.Logs.Flush(flushing)
	cancel()
	err = syscall.Exec(path, u.Args, append(os.Environ(), envHandover+"="+string(text)))
	for _, fd := range keep {
		unix.CloseOnExec(fd)
	}
	return fmt.Errorf("execute %s: %w", path, err)
}

// succeed takes over from the previous binary: the output of its children goes on
// to the log, and copies of the sockets are kept for going back.
func (u *Upgrader) succeed(h *execHandover, handed []sockets.Handed) {
	h.retired = make(chan struct{})
	u.kept = h
	for _, sock := range handed {
		if fd, err := unix.FcntlInt(uintptr(sock.FD), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			h.sockets = append(h.sockets, sockets.Handed{FD: fd, Bind: sock.Bind, Admin: sock.Admin})
		}
	}
	for _, o := range h.Outputs {
		u.Host.Read(o.Role, o.FD, o.ID, o.PID)
	}
}

// Beside reports whether the children of another binary still serve at the same
// sockets.
func (u *Upgrader) Beside() bool {
	u.mu.Lock()
	replaces := u.replaces != 0
	u.mu.Unlock()
	if replaces || u.kept == nil {
		return replaces
	}
	select {
	case <-u.kept.retired:
		return false
	default:
		return true
	}
}

// RetireOld ends the children of the previous binary. The gateways go first,
// because they need the workers to finish. The others then see the end of their
// lifeline.
func (u *Upgrader) RetireOld() {
	h := u.kept
	if h == nil {
		return
	}
	u.wg.Go(func() {
		for _, pid := range h.Gateways {
			_ = proc.Signal(pid, syscall.SIGTERM) // an error means that it is gone already
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
			case <-u.Host.Stopped:
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
		u.Log.Info("the processes of the previous binary have been told to finish")
	})
}

// GoBack becomes the previous binary again if this one does not serve. It returns
// only if there is no previous binary, if this one serves, or if that fails.
func (u *Upgrader) GoBack(why error) {
	h := u.kept
	if h == nil || h.Back || why == nil {
		return
	}
	select {
	case <-h.retired:
		return
	default:
	}
	u.Log.Error("the new binary does not serve: going back to the previous one", "error", why)
	back := *h
	back.Back = true
	err := u.execute(fmt.Sprintf("/proc/self/fd/%d", h.Old), back, h.sockets)
	u.Log.Error("cannot go back", "error", errors.Join(err, why))
}
