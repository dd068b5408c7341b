package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/pidfile"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"golang.org/x/sys/unix"
)

// open makes everything that outlives a reload.
func (s *supervisor) open(c *config.Config) error {
	var err error
	s.null, s.lifeline, s.alive = -1, -1, -1
	if s.logs, err = errorlog.Open(c); err != nil {
		return err
	}
	s.log = s.logs.Own
	s.groups = resources.NewGroups(s.log)
	if s.board, err = scoreboard.Create(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if s.children, err = scoreboard.CreateRegister(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if s.notify, err = notify.Listen(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if s.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	if s.lifeline, s.alive, err = proc.Pipe(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// hold takes the pidfile and the process's name.
func (s *supervisor) hold(c *config.Config) error {
	if !s.o.IsHandler {
		if err := proc.BecomeSubreaper(); err != nil {
			s.log.Debug("cannot adopt orphans of workers", "error", err)
		}
	}
	proc.SetTitle(title("arbiter", c))
	if c.Pidfile == "" {
		return nil
	}
	s.pidfilePath = c.Below(c.Pidfile)
	path := s.pidfilePath
	if s.replaces != 0 {
		path += ".2" // as Gunicorn has it, until the old one is gone
	}
	file, err := pidfile.Create(path, os.Getpid())
	if err != nil {
		var held *pidfile.HeldError
		if !errors.As(err, &held) {
			err = errcode.With("GON024", err)
		}
		return fmt.Errorf("pidfile: %w", err)
	}
	s.pidfile = file
	return nil
}

func (s *supervisor) close() {
	if s.pidfile != nil {
		if err := s.pidfile.Remove(); err != nil {
			s.log.Warn("cannot remove pidfile", "error", err)
		}
	}
	if s.notify != nil {
		s.notify.Close()
	}
	if s.links != nil {
		s.links.Close()
	}
	s.removeOffers()
	s.groups.Remove()
	if s.board != nil {
		s.board.Close()
	}
	if s.children != nil {
		s.children.Close()
	}
	for _, fd := range []int{s.null, s.lifeline, s.alive, s.runner} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if s.logs != nil {
		s.logs.Close()
	}
}
