package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/daemon"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
	"golang.org/x/sys/unix"
)

var (
	errSuccessor = errors.New("an upgrade is already in progress: stop the old or the new gonicorn first")
	errAncestor  = errors.New("this gonicorn has not taken over from its predecessor yet: stop that one first")
)

// successor is a gonicorn that shall replace this one.
type successor struct {
	pid     int
	settled chan struct{} // closed when it serves, or when it is known that it will not
	failure error         // why it does not serve; set before settled is closed
	gone    chan struct{} // closed when it has ended
	exit    proc.Exit     // set before gone is closed
}

// serves reports whether the successor has reported that it serves.
func (n *successor) serves() bool {
	select {
	case <-n.settled:
		return n.failure == nil
	default:
		return false
	}
}

// successorGrace is the time between TERM and KILL when a successor is ended.
const successorGrace = 2 * time.Second

// end ends a successor that is not wanted. Its own guard ends the processes that
// it has started.
func (n *successor) end() {
	_ = proc.Signal(n.pid, syscall.SIGTERM) // it may be gone already
	timer := time.NewTimer(successorGrace)
	defer timer.Stop()
	select {
	case <-n.gone:
	case <-timer.C:
		_ = proc.Signal(n.pid, syscall.SIGKILL)
		<-n.gone
	}
}

// successorTime is how long a successor may take until it serves; 0 is no bound.
// It may load the app twice: once to inspect it and once to run it.
func (u *Upgrader) successorTime() time.Duration { return 2 * u.BootTimeout }

// BySignal starts a new gonicorn beside this one, as USR2 asks for. It does not
// wait. Whoever sent the signal decides which of the two to stop. PID 1 becomes
// the new binary instead.
func (u *Upgrader) BySignal() {
	u.wg.Go(func() {
		if os.Getpid() == 1 {
			if err := u.become(context.Background()); err != nil {
				u.Log.Error("cannot become the new binary", "error", err)
			}
			return
		}
		next, err := u.startSuccessor()
		if err != nil {
			u.Log.Error("cannot start a new gonicorn", "error", err)
			return
		}
		select {
		case <-next.settled:
			if next.failure != nil {
				return // it has been logged
			}
			u.Log.Info("the new gonicorn serves beside this one: end this one with TERM, or go back by ending the new one",
				"pid", next.pid, "old", os.Getpid())
		case <-u.Host.Stopped:
		}
	})
}

// Upgrade replaces this gonicorn by a new one: it starts the new one, waits until
// that serves, and stops this one. If the new one does not serve in time, it is
// ended and this one continues; the error says why. PID 1 becomes the new binary,
// and then Upgrade returns only if that fails.
func (u *Upgrader) Upgrade(ctx context.Context) error {
	if os.Getpid() == 1 {
		return u.become(ctx)
	}
	next, err := u.startSuccessor()
	if err != nil {
		return err
	}
	select {
	case <-next.settled:
		err = next.failure
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		next.end()
		return fmt.Errorf("upgrade: the new gonicorn does not serve, this one goes on: %w", err)
	}
	u.Log.Info("the new gonicorn serves: this one stops", "pid", next.pid)
	select {
	case u.Actions <- signals.Stop:
	case <-ctx.Done():
	}
	return nil
}

// startSuccessor starts the current binary with the same arguments, environment
// and sockets.
func (u *Upgrader) startSuccessor() (*successor, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next != nil {
		return nil, errSuccessor
	}
	if u.replaces != 0 {
		return nil, errAncestor
	}
	report, w, err := proc.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a new gonicorn: %w", err)
	}
	defer unix.Close(w)
	u.Begin()
	spec, err := u.successorSpec(w)
	var wait func() proc.Exit
	next := &successor{settled: make(chan struct{}), gone: make(chan struct{})}
	if err == nil {
		next.pid, wait, err = u.Host.Helpers.Start(spec)
	}
	if err != nil {
		unix.Close(report)
		return nil, fmt.Errorf("start a new gonicorn: %w", err)
	}
	u.next = next
	u.Own(false)
	_ = unix.SetNonblock(report, true) // so that reads can have a deadline
	u.Log.Info("new gonicorn started", "pid", next.pid, "path", spec.Path)
	go u.hearSuccessor(next, os.NewFile(uintptr(report), "report"))
	go func() {
		next.exit = wait()
		u.mu.Lock()
		u.next = nil
		u.Own(true)
		u.mu.Unlock()
		close(next.gone)
		if next.serves() {
			u.Log.Warn("the new gonicorn is gone; this one serves on", "pid", next.pid, "exit", next.exit.String())
		}
	}()
	return next, nil
}

// successorSpec passes all sockets, the lifeline, and the pipe w for the report.
func (u *Upgrader) successorSpec(w int) (proc.Spec, error) {
	path, err := u.binary()
	if err != nil {
		return proc.Spec{}, err
	}
	spec := proc.Spec{Path: path, Args: u.Args, Umask: -1, Files: []int{0, 1, 2, w, u.Host.Lifeline}}
	h := Handover{PID: os.Getpid(), Lifeline: 4}
	for _, sock := range u.HandDown() {
		fd := sock.FD
		sock.FD = len(spec.Files)
		h.Sockets = append(h.Sockets, sock)
		spec.Files = append(spec.Files, fd)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return proc.Spec{}, fmt.Errorf("encode handover: %w", err)
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, wire.EnvWatchdogPID+"=") { // its value is this process's pid
			spec.Env = append(spec.Env, kv)
		}
	}
	spec.Env = append(spec.Env, envHandover+"="+string(text), daemon.Env+"=3")
	return spec, nil
}

// binary is the path of the file that was started, or that has replaced it since.
func (u *Upgrader) binary() (string, error) {
	if len(u.Args) > 0 {
		if path, err := exec.LookPath(u.Args[0]); err == nil {
			return path, nil
		}
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the binary: %w", err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// hearSuccessor reads in the report whether the new gonicorn serves. If it does
// not, it is ended and the reason is logged.
func (u *Upgrader) hearSuccessor(next *successor, report *os.File) {
	defer report.Close()
	if most := u.successorTime(); most > 0 {
		_ = report.SetReadDeadline(time.Now().Add(most)) // pipes support deadlines
	}
	var said strings.Builder
	code, err := daemon.Await(report, &said)
	switch {
	case err == nil && code == errcode.ExitOK:
		close(next.settled)
		return
	case err == nil:
		err = errors.New(strings.TrimSpace(said.String()))
		next.end()
	default:
		late := true // stays true if it still runs; it may only have closed its report
		select {
		case <-next.gone:
			late = false
		case <-time.After(time.Second):
		}
		next.end()
		if err = fmt.Errorf("%w: %s", err, next.exit); late {
			err = fmt.Errorf("it did not serve within %s, twice boot_timeout", u.successorTime())
		}
	}
	next.failure = err
	close(next.settled)
	u.Log.Error("the new gonicorn does not serve: this one goes on; run the new one with --check-config to see what it says, "+
		"then send USR2 again", "pid", next.pid, "error", err, "code", "GON051")
}

// AwaitSuccessor waits until a new gonicorn serves or has been ended, because
// nothing else looks after it. Another signal to stop ends the new gonicorn at
// once.
func (u *Upgrader) AwaitSuccessor() {
	u.mu.Lock()
	next := u.next
	u.mu.Unlock()
	if next == nil || next.serves() {
		return
	}
	u.Log.Info("waiting for the new gonicorn to serve; another TERM ends it", "pid", next.pid)
	for {
		select {
		case <-next.settled:
			return
		case action := <-u.Actions:
			if action == signals.Stop || action == signals.Quit {
				u.Log.Warn("ending the new gonicorn before it serves", "pid", next.pid)
				next.end()
			}
		}
	}
}

// Successor returns the pid of the new gonicorn, which has the sockets too; 0 if there
// is none.
func (u *Upgrader) Successor() (pid int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next == nil {
		return 0
	}
	return u.next.pid
}
