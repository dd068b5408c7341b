package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
	"golang.org/x/sys/unix"
)

var (
	errSuccessor = errors.New("a new gonicorn runs already beside this one: end one of them first")
	errAncestor  = errors.New("this gonicorn has not taken over yet from the one before: end that first")
)

// successor is the gonicorn that is to replace this one.
type successor struct {
	pid   int
	ready chan error    // gets nil when it serves, or why it does not
	gone  chan struct{} // closed when it has ended
}

// upgradeBySignal starts a new gonicorn beside this one, as USR2 asks for. It
// does not wait; what becomes of both is up to whoever sent the signal.
func (s *supervisor) upgradeBySignal() {
	s.wg.Go(func() {
		if os.Getpid() == 1 {
			if err := s.become(context.Background()); err != nil {
				s.log.Error("cannot become the new binary", "error", err)
			}
			return
		}
		next, err := s.startSuccessor()
		if err != nil {
			s.log.Error("cannot start a new gonicorn", "error", err)
			return
		}
		select {
		case err := <-next.ready:
			if err != nil {
				s.log.Error("the new gonicorn does not serve; this one goes on", "pid", next.pid, "error", err)
				return
			}
			s.log.Info("the new gonicorn serves beside this one: end this one with TERM, or go back by ending the new one",
				"pid", next.pid, "old", os.Getpid())
		case <-s.stopped:
		}
	})
}

// Upgrade replaces this gonicorn by a new one: it starts it, waits until it
// serves, and stops. When the new one does not serve in time it is ended, and
// this one goes on; the error says why. PID 1 becomes the new one, and does not
// return.
func (s *supervisor) Upgrade(ctx context.Context) error {
	if os.Getpid() == 1 {
		return s.become(ctx)
	}
	next, err := s.startSuccessor()
	if err != nil {
		return err
	}
	select {
	case err = <-next.ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = proc.Signal(next.pid, syscall.SIGTERM) // it may be gone already
		return fmt.Errorf("upgrade: the new gonicorn does not serve, this one goes on: %w", err)
	}
	s.log.Info("the new gonicorn serves: this one stops", "pid", next.pid)
	s.act(ctx, signals.Stop)
	return nil
}

// startSuccessor starts the binary that is there now, with the same arguments,
// the same environment and the same sockets.
func (s *supervisor) startSuccessor() (*successor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.successor != nil {
		return nil, errSuccessor
	}
	if s.replaces != 0 {
		return nil, errAncestor
	}
	report, w, err := proc.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a new gonicorn: %w", err)
	}
	defer unix.Close(w)
	s.hooks.tell(hookEvent{Event: "pre_exec"})
	spec, err := s.successorSpec(w)
	var wait func() proc.Exit
	next := &successor{ready: make(chan error, 1), gone: make(chan struct{})}
	if err == nil {
		next.pid, wait, err = s.helpers.Start(spec)
	}
	if err != nil {
		unix.Close(report)
		return nil, fmt.Errorf("start a new gonicorn: %w", err)
	}
	s.successor = next
	s.sockets.own(false)
	s.admin.own(false)
	s.log.Info("new gonicorn started", "pid", next.pid, "path", spec.Path)
	go s.hearSuccessor(next, os.NewFile(uintptr(report), "report"))
	go func() {
		exit := wait()
		s.mu.Lock()
		s.successor = nil
		s.sockets.own(true)
		s.admin.own(true)
		s.mu.Unlock()
		s.log.Warn("the new gonicorn is gone; this one serves on", "pid", next.pid, "exit", exit.String())
		close(next.gone)
	}()
	return next, nil
}

// successorSpec hands over all sockets, the lifeline, and the pipe w for the
// report.
func (s *supervisor) successorSpec(w int) (proc.Spec, error) {
	path, err := s.binary()
	if err != nil {
		return proc.Spec{}, err
	}
	spec := proc.Spec{Path: path, Args: s.args, Umask: -1, Files: []int{0, 1, 2, w, s.lifeline}}
	h := handover{PID: os.Getpid(), Lifeline: 4}
	for _, sock := range s.handDown() {
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
		if !strings.HasPrefix(kv, wire.EnvWatchdogPID+"=") { // it names this process
			spec.Env = append(spec.Env, kv)
		}
	}
	spec.Env = append(spec.Env, envHandover+"="+string(text), envDaemon+"=3")
	return spec, nil
}

// binary is the file that was started, or what has replaced it since.
func (s *supervisor) binary() (string, error) {
	if len(s.args) > 0 {
		if path, err := exec.LookPath(s.args[0]); err == nil {
			return path, nil
		}
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the binary: %w", err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// hearSuccessor learns from the report whether the new gonicorn serves.
func (s *supervisor) hearSuccessor(next *successor, report *os.File) {
	defer report.Close()
	var said strings.Builder
	code, err := awaitDaemon(report, &said)
	if err == nil && code != exitOK {
		err = errors.New(strings.TrimSpace(said.String()))
	}
	next.ready <- err
}

// inherits reports whether a new gonicorn runs that keeps the sockets.
func (s *supervisor) inherits() (pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.successor == nil {
		return 0
	}
	return s.successor.pid
}
