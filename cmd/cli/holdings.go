package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/pidfile"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
)

// open makes everything that outlives a reload.
func (s *supervisor) open(c *config.Config) error {
	var err error
	if s.logs, err = errorlog.Open(c); err != nil {
		return err
	}
	s.log = s.logs.Own
	s.groups = resources.NewGroups(s.log)
	s.host, err = launch.NewHost(s.logs, proc.NewHelpers(s.childEnded))
	return err
}

// hold takes the pidfile and the process's name.
func (s *supervisor) hold(c *config.Config) error {
	if !s.o.IsHandler {
		if err := proc.BecomeSubreaper(); err != nil {
			s.log.Debug("cannot adopt orphans of workers", "error", err)
		}
	}
	proc.SetTitle(launch.Title("arbiter", c))
	if c.Pidfile == "" {
		return nil
	}
	s.pidfilePath = c.Below(c.Pidfile)
	path := s.pidfilePath
	if s.upgrade.Replaces() {
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
	if s.links != nil {
		s.links.Close()
	}
	s.removeOffers()
	if s.groups != nil {
		s.groups.Remove()
	}
	s.host.Close()
	if s.logs != nil {
		s.logs.Close()
	}
}
